// Runs client libraries for Mailpit with the base URL in the argument, with and without a trailing slash.

const assert = require("node:assert/strict");
const fs = require("node:fs");
const { MailpitClient } = require("mailpit-api");

// cypress-mailpit runs inside Cypress. These are the parts of Cypress that its commands call.
function cypressMailpit(base) {
  global.Cypress = { expose: () => base };
  global.cy = {
    env: async () => ({}),
    wrap: async (value) => value,
    request: async ({ method, url, qs = {}, body }) => {
      const query = new URLSearchParams(qs).toString();
      const answer = await fetch(query ? `${url}?${query}` : url, {
        method,
        body: body && JSON.stringify(body),
        headers: body ? { "Content-Type": "application/json" } : {},
      });
      assert.equal(answer.status, 200, `${method} ${url}`);
      const text = await answer.text();
      const isJson = answer.headers.get("content-type").includes("json");
      return { body: isJson ? JSON.parse(text) : text };
    },
  };
  const file = require.resolve("cypress-mailpit/dist/src/MailpitCommands.js");
  const source = fs.readFileSync(file, "utf8");
  return new (new Function(source.replace("export { MailpitCommands };", "return MailpitCommands;"))())();
}

async function mailpitApi(base) {
  const client = new MailpitClient(base);
  await client.deleteMessages();
  const html = "<p>one</p>\n<p>Grüße</p>\n";
  const { ID } = await client.sendMessage({
    From: { Email: "me@example.com" },
    To: [{ Email: "ann+plus@example.com" }],
    Subject: "subject",
    HTML: html,
    Text: "one\ntwo",
    Tags: ["first"],
  });
  assert.equal(await client.renderMessageHTML(), html);
  assert.equal(await client.renderMessageText(), "one\ntwo");
  assert.deepEqual(await client.getTags(), ["first", "plus"]);
  await assert.rejects(client.renameTag("unknown", "name"), /400 .*tag not found: unknown/);
  await assert.rejects(client.deleteTag("unknown"), /400 .*tag not found: unknown/);
  await assert.rejects(client.renameTag("first", "!"), /400 .*invalid tag name: !/);
  await assert.rejects(client.renameTag("first", "plus"), /400 .*tag already exists: plus/);
  await client.renameTag("first", "second");
  await client.deleteTag("plus");
  assert.deepEqual((await client.getMessageSummary(ID)).Tags, ["second"]);
}

async function cypress(base) {
  const commands = cypressMailpit(base);
  await commands.mailpitDeleteAllEmails();
  await commands.mailpitSendMail({ subject: "Hello World" });
  assert.equal((await commands.mailpitGetEmailsBySubject("Hello World")).messages_count, 1);
  const mail = await commands.mailpitGetMail();
  assert.equal(mail.Subject, "Hello World");
  assert.equal(await commands.mailpitGetMailHTMlBody(mail), "<p>hello from mailpit</p>");
  await commands.mailpitSetAllEmailStatusAsRead();
  await commands.mailpitDeleteEmailsBySearch("Hello");
  assert.equal((await commands.mailpitGetAllMails()).messages.length, 0);
}

(async () => {
  for (const base of [process.argv[2], `${process.argv[2]}/`]) {
    await mailpitApi(base);
    await cypress(base);
  }
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
