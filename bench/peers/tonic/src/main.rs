//! Serves GetSum on tonic. Prints its port when it is ready.
use tokio::net::TcpListener;
use tonic::transport::{Server, server::TcpIncoming};
use tonic::{Request, Response, Status};

mod contract {
    tonic::include_proto!("test");
}
use contract::{
    Data, Sum,
    test_server::{Test, TestServer},
};

struct Service;

#[tonic::async_trait]
impl Test for Service {
    async fn get_sum(&self, request: Request<Data>) -> Result<Response<Sum>, Status> {
        let Data { a, b } = request.into_inner();
        match a.checked_add(b) {
            Some(sum) => Ok(Response::new(Sum { sum })),
            None => Err(Status::out_of_range(format!(
                "add {a} and {b}: the sum is outside int32"
            ))),
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    Server::builder()
        .add_service(TestServer::new(Service))
        .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)))
        .await?;
    Ok(())
}
