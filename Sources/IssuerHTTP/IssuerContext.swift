package import Hummingbird
package import NIOCore

/// What a request of the issuer's own server carries besides itself: the connection, so that it can be closed.
package struct IssuerContext: RemoteAddressRequestContext {
    package var coreContext: CoreRequestContextStorage
    let channel: any Channel
    package var remoteAddress: SocketAddress? { channel.remoteAddress }

    package init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        channel = source.channel
    }
}
