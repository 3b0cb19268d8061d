// Sends a mail by Nodemailer. The argument is an expression for the transport.

const nodemailer = require("nodemailer");

const transport = new Function("nodemailer", `return ${process.argv[2]}`)(nodemailer);
const { FROM: from, TO: to, SUBJECT: subject, TEXT: text } = process.env;
transport.sendMail({ from, to, subject, text }).catch((error) => {
  console.error(error);
  process.exit(1);
});
