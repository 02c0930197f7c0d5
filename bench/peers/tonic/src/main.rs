//! Serves the services of the benchmark on tonic. Prints its port when it is ready.
use prost::bytes::Bytes;
use std::iter::repeat_n;
use tokio::net::TcpListener;
use tokio_stream::{Iter, Stream, StreamExt, iter};
use tonic::transport::{Server, server::TcpIncoming};
use tonic::{Request, Response, Status, Streaming};

mod calls {
    tonic::include_proto!("calls.v1");
}
mod streams {
    tonic::include_proto!("streams.v1");
}
use calls::{
    AddRequest, AddResponse, RecordRequest, RecordResponse,
    call_service_server::{CallService, CallServiceServer},
};
use streams::{
    ChatRequest, ChatResponse, DownloadRequest, DownloadResponse, EchoRequest, EchoResponse,
    UploadRequest, UploadResponse,
    stream_service_server::{StreamService, StreamServiceServer},
};

struct Service;

#[tonic::async_trait]
impl CallService for Service {
    async fn add(&self, request: Request<AddRequest>) -> Result<Response<AddResponse>, Status> {
        let AddRequest { a, b } = request.into_inner();
        match a.checked_add(b) {
            Some(sum) => Ok(Response::new(AddResponse { sum })),
            None => Err(Status::out_of_range(format!(
                "add {a} and {b}: the sum is outside int32"
            ))),
        }
    }

    async fn record(&self, _: Request<RecordRequest>) -> Result<Response<RecordResponse>, Status> {
        Err(Status::unimplemented("Record"))
    }
}

type Messages<T> = Box<dyn Iterator<Item = Result<T, Status>> + Send>;

#[tonic::async_trait]
impl StreamService for Service {
    async fn echo(&self, request: Request<EchoRequest>) -> Result<Response<EchoResponse>, Status> {
        let EchoRequest { data } = request.into_inner();
        Ok(Response::new(EchoResponse { data }))
    }

    type DownloadStream = Iter<Messages<DownloadResponse>>;

    async fn download(
        &self,
        request: Request<DownloadRequest>,
    ) -> Result<Response<Self::DownloadStream>, Status> {
        let DownloadRequest { count, bytes } = request.into_inner();
        let data = Bytes::from(vec![0; bytes as usize]);
        let messages = repeat_n(DownloadResponse { data }, count as usize).map(Ok);
        Ok(Response::new(iter(Box::new(messages) as Messages<_>)))
    }

    async fn upload(
        &self,
        request: Request<Streaming<UploadRequest>>,
    ) -> Result<Response<UploadResponse>, Status> {
        let mut requests = request.into_inner();
        let mut response = UploadResponse::default();
        while let Some(UploadRequest { data }) = requests.message().await? {
            response.count += 1;
            response.bytes += data.len() as u64;
        }
        Ok(Response::new(response))
    }

    type ChatStream = std::pin::Pin<Box<dyn Stream<Item = Result<ChatResponse, Status>> + Send>>;

    async fn chat(
        &self,
        request: Request<Streaming<ChatRequest>>,
    ) -> Result<Response<Self::ChatStream>, Status> {
        let echo = |result: Result<ChatRequest, Status>| result.map(|ChatRequest { data }| ChatResponse { data });
        Ok(Response::new(Box::pin(request.into_inner().map(echo))))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    Server::builder()
        .add_service(CallServiceServer::new(Service))
        .add_service(StreamServiceServer::new(Service))
        .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)))
        .await?;
    Ok(())
}
