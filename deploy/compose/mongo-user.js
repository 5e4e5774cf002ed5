// Run once, when the database is empty: the user of the server, who may use one database and nothing else.
db.getSiblingDB("chat").createUser({
  user: "chat",
  pwd: process.env.MONGO_PASSWORD,
  roles: [{ role: "readWrite", db: "chat" }],
});
