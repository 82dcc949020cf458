// SCIMMY in an Express application that keeps everything in memory, on 127.0.0.1 only.
//
// usage: app.mjs PORT
// TOKEN: the bearer token.
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import express from "express";
import SCIMMY from "scimmy";
import SCIMMYRouters from "scimmy-routers";

// SCIMMY leaves storage to the application: this is the least that keeps RFC 7644.
function keep(type, unique) {
  const stored = new Map();
  const found = (id) => stored.get(id) ?? notFound(id);
  const notFound = (id) => { throw new SCIMMY.Types.Error(404, null, `Resource ${id} not found`); };
  return SCIMMY.Resources.declare(type)
    .ingress((resource, data) => {
      const meta = { created: (resource.id ? found(resource.id).meta : undefined)?.created ?? new Date(), lastModified: new Date() };
      const value = { ...JSON.parse(JSON.stringify(data)), id: resource.id ?? randomUUID(), meta };
      const same = (other) => other.id !== value.id && other[unique]?.toLowerCase() === value[unique]?.toLowerCase();
      if (unique && [...stored.values()].some(same)) throw new SCIMMY.Types.Error(409, "uniqueness", `${unique} is taken`);
      stored.set(value.id, value);
      return value;
    })
    .egress((resource) => {
      if (resource.id) return found(resource.id);
      return resource.filter ? resource.filter.match([...stored.values()]) : [...stored.values()];
    })
    .degress((resource) => stored.delete(resource.id) || notFound(resource.id));
}
keep(SCIMMY.Resources.User, "userName").extend(SCIMMY.Schemas.EnterpriseUser);
keep(SCIMMY.Resources.Group);

const app = express();
app.use("/scim", new SCIMMYRouters({
  type: "bearer",
  handler: (request) => {
    if (request.header("Authorization") !== `Bearer ${process.env.TOKEN}`) throw new Error("not authorised");
  },
}));
createServer(app).listen(Number(process.argv[2]), "127.0.0.1");
