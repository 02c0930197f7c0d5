"""Python grpcio: calls from several threads until stdin ends, then prints each call as [begin ms, ms, failure or null]."""

import json
import random
import sys
import threading
import time

import grpc

CALLERS = 4
MOST_PAUSE_S = 0.01
CALL_S = 20
REQUEST = b"\x08\x01\x10\x02"  # a = 1, b = 2
RESPONSE = b"\x08\x03"  # sum = 3

calls = []
stop = threading.Event()


def caller(add):
    while not stop.is_set():
        begin = time.time()
        failure = None
        try:
            response = add(REQUEST, timeout=CALL_S)
            if response != RESPONSE:
                failure = f"the response was {response}"
        except grpc.RpcError as error:
            failure = f"{error.code().name}: {error.details()}"
        calls.append((begin * 1000, (time.time() - begin) * 1000, failure))
        stop.wait(random.uniform(0, MOST_PAUSE_S))


with grpc.insecure_channel(sys.argv[1]) as channel:
    add = channel.unary_unary("/calls.v1.CallService/Add")
    threads = [threading.Thread(target=caller, args=(add,)) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join()
json.dump(calls, sys.stdout)
