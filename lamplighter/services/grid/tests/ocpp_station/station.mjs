// SPDX-License-Identifier: Apache-2.0
// A charging station by npm's ocpp-rpc in strict mode (every message is held against the published schemas). It keeps the
// profiles that it is given and answers for the highest stack level in force. Arguments: endpoint, identity, protocol, card.
// It says on its output what it heard, one JSON document a line; a line on its input lets it start a transaction.
import { RPCClient } from "ocpp-rpc";
import readline from "node:readline";

const [endpoint, identity, protocol, card] = process.argv.slice(2);
const newer = protocol === "ocpp2.0.1";
const station = new RPCClient({ endpoint, identity, protocols: [protocol], strictMode: true, reconnect: false, password: "a password" });
const say = (what, rest = {}) => console.log(JSON.stringify({ what, ...rest }));
const profiles = new Map();

station.handle("SetChargingProfile", ({ params }) => {
  const profile = newer ? params.chargingProfile : params.csChargingProfiles;
  const schedule = newer ? profile.chargingSchedule[0] : profile.chargingSchedule;
  const id = newer ? profile.id : profile.chargingProfileId;
  const from = Date.parse(schedule.startSchedule);
  profiles.set(id, {
    stack: profile.stackLevel, purpose: profile.chargingProfilePurpose, from,
    until: schedule.duration === undefined ? Infinity : from + 1000 * schedule.duration,
    limit: schedule.chargingSchedulePeriod[0].limit,
  });
  say("profile", { id, stack: profile.stackLevel, limit: profiles.get(id).limit, purpose: profile.chargingProfilePurpose });
  return { status: "Accepted" };
});
station.handle("ClearChargingProfile", ({ params }) => {
  const had = profiles.delete(newer ? params.chargingProfileId : params.id);
  say("clear");
  return { status: had ? "Accepted" : "Unknown" };
});
station.handle("GetCompositeSchedule", ({ params }) => {
  const now = Date.now();
  const live = [...profiles.values()].filter((one) => one.until > now).sort((a, b) => b.stack - a.stack);
  if (live.length === 0) return { status: "Rejected" };
  const period = [{ startPeriod: 0, limit: live[0].limit }];
  const made = { duration: params.duration, chargingRateUnit: "W", chargingSchedulePeriod: period };
  const start = new Date(now).toISOString();
  return newer
    ? { status: "Accepted", schedule: { ...made, evseId: params.evseId, scheduleStart: start } }
    : { status: "Accepted", connectorId: params.connectorId, scheduleStart: start, chargingSchedule: { ...made, startSchedule: start } };
});
station.handle("Reset", ({ params }) => {
  say("reset", { kind: params.type });
  return { status: "Accepted" };
});

try {
  await station.connect();
  station.on("close", () => process.exit(0));
  const boot = newer
    ? { reason: "PowerUp", chargingStation: { model: "model", vendorName: "vendor" } }
    : { chargePointVendor: "vendor", chargePointModel: "model" };
  say("booted", await station.call("BootNotification", boot));
} catch (error) {
  say("failed", { message: String(error.message) });
  process.exit(1);
}
for await (const _ of readline.createInterface({ input: process.stdin })) {
  const answer = newer
    ? await station.call("Authorize", { idToken: { idToken: card, type: "ISO14443" } })
    : await station.call("Authorize", { idTag: card });
  say("authorized", answer);
}
