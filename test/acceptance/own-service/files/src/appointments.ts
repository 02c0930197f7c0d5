/** AppointmentService: keeps appointments in memory. */
import { create } from "@bufbuild/protobuf";
import { durationMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import {
  type Appointment,
  type AppointmentService,
  BookAppointmentResponseSchema,
} from "../gen/acme/eliza/v1/appointments_pb.ts";

/** Returns the service without appointments. */
export function createAppointments(): ServiceImpl<typeof AppointmentService> {
  const booked = new Map<string, Appointment>();
  return {
    bookAppointment({ appointment }) {
      if (appointment?.start === undefined) throw new ConnectError("book: the start is missing", Code.InvalidArgument);
      for (const other of booked.values()) {
        if (overlaps(appointment, other))
          throw new ConnectError(`book: overlaps with appointment ${other.id}`, Code.AlreadyExists);
      }
      const id = String(booked.size + 1);
      booked.set(id, { ...appointment, id });
      return create(BookAppointmentResponseSchema, { appointment: { ...appointment, id } });
    },
    getAppointment({ id }) {
      const appointment = booked.get(id);
      if (appointment === undefined) throw new ConnectError(`get: appointment ${id} does not exist`, Code.NotFound);
      return { appointment };
    },
    async *watchAppointments({ since }) {
      const from = since === undefined ? 0 : timestampMs(since);
      const sorted = [...booked.values()].sort((a, b) => startOf(a) - startOf(b));
      for (const appointment of sorted) if (startOf(appointment) >= from) yield { appointment };
    },
  };
}

function overlaps(one: Appointment, other: Appointment): boolean {
  return startOf(one) < endOf(other) && startOf(other) < endOf(one);
}

function startOf({ start }: Appointment): number {
  return start === undefined ? 0 : timestampMs(start);
}

function endOf(appointment: Appointment): number {
  return startOf(appointment) + (appointment.length === undefined ? 0 : durationMs(appointment.length));
}
