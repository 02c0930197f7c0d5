"""Serves GetSum as the tutorial's Python server does. Prints its port when it is ready."""
from concurrent import futures

import grpc

from service_pb2 import Data, Sum
import service_pb2_grpc


class TestServicer(service_pb2_grpc.TestServicer):
    def GetSum(self, request: Data, context):
        return Sum(sum=request.a + request.b)


if __name__ == '__main__':
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=10))
    service_pb2_grpc.add_TestServicer_to_server(TestServicer(), server)
    port = server.add_insecure_port('127.0.0.1:0')
    server.start()
    print(port, flush=True)
    server.wait_for_termination()
