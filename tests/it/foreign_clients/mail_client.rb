# Sends a mail by the gem "mail". The arguments are host and port.

require "mail"

Mail.defaults { delivery_method :smtp, address: ARGV[0], port: ARGV[1].to_i }
Mail.deliver do
  from ENV["FROM"]
  to ENV["TO"]
  subject ENV["SUBJECT"]
  body ENV["TEXT"]
  self.charset = "UTF-8"
end
