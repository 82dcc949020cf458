// An application with accounts, passwords and sessions, provisioned by SCIM, on 127.0.0.1 only.
//
// usage: app.mjs PORT
// CREDENTIALS: the SCIM credentials, `[{"id", "token", "scopes"?}]`; SECRET: signs the sessions.
import { createServer } from "node:http";
import { DatabaseSync } from "node:sqlite";
import { scim } from "@better-auth/scim";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";

const port = Number(process.argv[2]);
const credentials = JSON.parse(process.env.CREDENTIALS).map((c) => ({ type: "bearer", ...c }));
const options = {
  baseURL: `http://127.0.0.1:${port}`,
  secret: process.env.SECRET,
  database: new DatabaseSync(":memory:"),
  emailAndPassword: { enabled: true },
  plugins: [scim({ connections: [{ id: "tenure", credentials }] })],
};
await (await getMigrations(options)).runMigrations();
const auth = betterAuth(options);

// What the application does for its own people, not by SCIM.
const control = {
  async password({ email, password }) {
    const context = await auth.$context;
    const { user } = await context.internalAdapter.findUserByEmail(email);
    const hash = await context.password.hash(password);
    const account = { userId: user.id, accountId: user.id, providerId: "credential", password: hash };
    await context.internalAdapter.linkAccount(account);
  },
  async revoke({ id }) {
    credentials.find((c) => c.id === id).expiresAt = new Date();
  },
};

const product = toNodeHandler(auth);
const server = createServer(async (request, response) => {
  const [, action] = request.url.match(/^\/control\/(\w+)$/) ?? [];
  if (!action) return product(request, response);
  try {
    await control[action](JSON.parse((await request.toArray()).join("")));
    response.writeHead(204).end();
  } catch (error) {
    console.error(error);
    response.writeHead(500).end();
  }
});
server.listen(port, "127.0.0.1");
