// SPDX-License-Identifier: Apache-2.0
// A charging operator's central system by npm's ocpp-rpc in strict mode. Arguments: protocol, card that it lets charge.
import { RPCServer } from "ocpp-rpc";

const [protocol, card] = process.argv.slice(2);
const newer = protocol === "ocpp2.0.1";
const server = new RPCServer({ protocols: [protocol], strictMode: true });
const say = (what, rest = {}) => console.log(JSON.stringify({ what, ...rest }));

server.auth((accept, reject, handshake) => {
  if (handshake.identity === "stranger") return reject(401);
  say("handshake", { identity: handshake.identity, password: handshake.password?.toString() });
  accept({}, protocol);
});
server.on("client", (client) => {
  client.handle("BootNotification", async () => {
    setTimeout(async () => say("reset", await client.call("Reset", { type: newer ? "OnIdle" : "Soft" })), 300);
    return { status: "Accepted", interval: 300, currentTime: new Date().toISOString() };
  });
  client.handle("Authorize", ({ params }) => {
    const token = newer ? params.idToken.idToken : params.idTag;
    const status = token === card ? "Accepted" : "Invalid";
    return newer ? { idTokenInfo: { status } } : { idTagInfo: { status } };
  });
  client.handle(({ method }) => say("unexpected", { method }));
});
const listening = await server.listen(0, "127.0.0.1");
say("listening", { port: listening.address().port });
