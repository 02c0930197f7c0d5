"""Serves Add as the tutorial's Python server does. Prints its port when it is ready."""
from concurrent import futures

import grpc

from calls.v1 import calls_pb2_grpc
from calls.v1.calls_pb2 import AddRequest, AddResponse


class CallServicer(calls_pb2_grpc.CallServiceServicer):
    def Add(self, request: AddRequest, context):
        return AddResponse(sum=request.a + request.b)


if __name__ == '__main__':
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=10))
    calls_pb2_grpc.add_CallServiceServicer_to_server(CallServicer(), server)
    port = server.add_insecure_port('127.0.0.1:0')
    server.start()
    print(port, flush=True)
    server.wait_for_termination()
