/** Tests AppointmentService in memory, without a network. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { AppointmentService } from "../../gen/acme/eliza/v1/appointments_pb.ts";
import { routes } from "../../src/routes.ts";

const START = timestampFromDate(new Date("2030-01-01T10:00:00Z"));

test("an appointment is booked once, and found", async () => {
  const client = createClient(AppointmentService, createRouterTransport(routes));
  const appointment = { person: { name: "Ada" }, start: START, length: { seconds: 1800n } };
  const booked = await client.bookAppointment({ appointment });
  assert.equal(booked.appointment?.id, "1");
  assert.equal((await client.getAppointment({ id: "1" })).appointment?.person?.name, "Ada");
  assert.equal((await Array.fromAsync(client.watchAppointments({}))).length, 1);
  for (const [call, code] of [
    [client.bookAppointment({ appointment }), Code.AlreadyExists],
    [client.getAppointment({ id: "2" }), Code.NotFound],
  ] as const) {
    await assert.rejects(call, (error) => ConnectError.from(error).code === code);
  }
});
