import HTTPTypes
import Hummingbird
import NIOCore
import VaultCrypto

/// The one style sheet of the pages, under a name that changes with its content.
enum Stylesheet {
    static let path = "/assets/pages-\(digest.prefix(16)).css"

    private static let digest = SHA256.hash(PackageResources.pages_css).description

    static func response(to request: Request) -> Response {
        Response(
            status: .ok,
            headers: [
                .contentType: "text/css; charset=utf-8",
                .cacheControl: "public, max-age=31536000, immutable", .xContentTypeOptions: "nosniff",
            ], body: ResponseBody(byteBuffer: ByteBuffer(bytes: PackageResources.pages_css)))
    }
}
