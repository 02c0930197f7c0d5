/** The orders: a service of Nest, which a controller and an RPC provider share. */
import { AsyncLocalStorage } from "node:async_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import { Body, Controller, Get, Injectable, type NestMiddleware, NotFoundException, Param, Post } from "@nestjs/common";
import type { NextFunction, Request, Response } from "express";
import {
  type GetOrderRequest,
  type Order,
  OrderSchema,
  OrdersService as OrdersRpcService,
  type PlaceManyRequest,
  type PlaceOrderRequest,
  StockSchema,
  type TrackOrderRequest,
} from "./gen/orders/v1/orders_pb";
import { Rpc } from "./rpc";

const MAX_QUANTITY = 100;

/** The request that is being served, for any code that it calls. */
export const requestContext = new AsyncLocalStorage<{ readonly tenant: string }>();

@Injectable()
export class TenantMiddleware implements NestMiddleware {
  use(request: Request, _response: Response, next: NextFunction): void {
    requestContext.run({ tenant: request.header("x-tenant") ?? "nobody" }, next);
  }
}

@Injectable()
export class OrdersService {
  readonly #orders = new Map<bigint, Order & { readonly tenant: string }>();

  place(item: string, quantity: number): Order {
    if (quantity > MAX_QUANTITY) throw new RangeError(`${quantity} of ${item} are more than ${MAX_QUANTITY}`);
    const order = create(OrderSchema, { id: BigInt(this.#orders.size + 1), item, quantity });
    this.#orders.set(order.id, { ...order, tenant: tenant() });
    return order;
  }

  /** Returns an order of the tenant. */
  find(id: bigint): Order | undefined {
    const order = this.#orders.get(id);
    return order?.tenant === tenant() ? create(OrderSchema, order) : undefined;
  }
}

function tenant(): string {
  return requestContext.getStore()?.tenant ?? "lost";
}

@Controller("orders")
export class OrdersController {
  constructor(private readonly orders: OrdersService) {}

  @Get(":id")
  get(@Param("id") id: string): { item: string; quantity: number } {
    const order = this.orders.find(BigInt(id));
    if (order === undefined) throw new NotFoundException(`order ${id} does not exist`);
    return { item: order.item, quantity: order.quantity };
  }

  @Post()
  post(@Body() { item, quantity }: { item: string; quantity: number }): { id: string } {
    return { id: String(this.orders.place(item, quantity).id) };
  }
}

@Injectable()
@Rpc(OrdersRpcService)
export class OrdersRpc implements ServiceImpl<typeof OrdersRpcService> {
  constructor(private readonly orders: OrdersService) {}

  placeOrder({ item, quantity }: PlaceOrderRequest) {
    return { order: this.#place(item, quantity) };
  }

  getOrder({ id }: GetOrderRequest) {
    const order = this.orders.find(id);
    if (order === undefined) throw new ConnectError(`order ${id} does not exist`, Code.NotFound);
    return { order };
  }

  async *trackOrder({ id, pauseMs }: TrackOrderRequest, { signal }: HandlerContext) {
    for (const step of ["packed", "sent", "delivered"]) {
      if (this.orders.find(id) === undefined) throw new ConnectError(`order ${id} does not exist`, Code.NotFound);
      yield { step };
      await pause(pauseMs, signal);
    }
  }

  async placeMany(requests: AsyncIterable<PlaceManyRequest>) {
    const orders: Order[] = [];
    for await (const { item, quantity } of requests) orders.push(this.#place(item, quantity));
    return { orders };
  }

  #place(item: string, quantity: number): Order {
    try {
      return this.orders.place(item, quantity);
    } catch (error) {
      const detail = { desc: StockSchema, value: { item, left: MAX_QUANTITY } };
      throw new ConnectError((error as RangeError).message, Code.FailedPrecondition, undefined, [detail], error);
    }
  }
}

/** Waits. Throws the reason of the signal if the call ends before that, such as deadline_exceeded. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted());
}
