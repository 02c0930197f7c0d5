"""Python grpcio: calls from several threads until stdin ends, then prints each call as [begin ms, ms, failure or null]."""

import json
import random
import sys
import threading
import time

import grpc
import service_pb2
import service_pb2_grpc

CALLERS = 4
MOST_PAUSE_S = 0.01
CALL_S = 20

calls = []
stop = threading.Event()


def caller(stub):
    while not stop.is_set():
        begin = time.time()
        failure = None
        try:
            answer = stub.GetSum(service_pb2.Data(a=1, b=2), timeout=CALL_S)
            if answer.sum != 3:
                failure = f"the sum was {answer.sum}"
        except grpc.RpcError as error:
            failure = f"{error.code().name}: {error.details()}"
        calls.append((begin * 1000, (time.time() - begin) * 1000, failure))
        stop.wait(random.uniform(0, MOST_PAUSE_S))


with grpc.insecure_channel(sys.argv[1]) as channel:
    stub = service_pb2_grpc.TestStub(channel)
    threads = [threading.Thread(target=caller, args=(stub,)) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join()
json.dump(calls, sys.stdout)
