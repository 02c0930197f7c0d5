//! Serves Add on tonic. Prints its port when it is ready.
use tokio::net::TcpListener;
use tonic::transport::{Server, server::TcpIncoming};
use tonic::{Request, Response, Status};

mod contract {
    tonic::include_proto!("calls.v1");
}
use contract::{
    AddRequest, AddResponse, RecordRequest, RecordResponse,
    call_service_server::{CallService, CallServiceServer},
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

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    Server::builder()
        .add_service(CallServiceServer::new(Service))
        .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)))
        .await?;
    Ok(())
}
