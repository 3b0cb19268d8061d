# Sends a mail by Rails' ActionMailer. The argument is a line of config/environments/development.rb.

require "action_mailer"

config = Struct.new(:action_mailer).new(ActionMailer::Base)
eval(ARGV[0])

class Mailer < ActionMailer::Base
  def greeting
    mail(from: ENV["FROM"], to: ENV["TO"], subject: ENV["SUBJECT"], body: ENV["TEXT"])
  end
end

Mailer.greeting.deliver_now
