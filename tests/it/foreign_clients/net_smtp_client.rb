# Sends a mail by Ruby's Net::SMTP. The arguments are host and port.

require "net/smtp"

message = <<~MESSAGE
  From: #{ENV["FROM"]}
  To: #{ENV["TO"]}
  Subject: =?UTF-8?B?#{[ENV["SUBJECT"]].pack("m0")}?=
  MIME-Version: 1.0
  Content-Type: text/plain; charset=UTF-8
  Content-Transfer-Encoding: 8bit

  #{ENV["TEXT"]}
MESSAGE
Net::SMTP.start(ARGV[0], ARGV[1].to_i) { |smtp| smtp.send_message message, ENV["FROM"], ENV["TO"] }
