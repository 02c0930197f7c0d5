/** The server's routes, as a plain Connect routes function. */
import type { ConnectRouter } from "@connectrpc/connect";
import { AppointmentService } from "../gen/acme/eliza/v1/appointments_pb.ts";
import { ElizaService } from "../gen/acme/eliza/v1/eliza_pb.ts";
import { createAppointments } from "./appointments.ts";
import { eliza } from "./eliza.ts";

/** Registers the services on a router of any Connect server. */
export function routes(router: ConnectRouter): void {
  router.service(ElizaService, eliza);
  router.service(AppointmentService, createAppointments());
}
