import HTTPTypes
import Hummingbird
import NIOCore
import VaultCrypto

/// What the pages fetch: a file each, in `Templates/`, under a name that changes with its content.
enum PageAsset: CaseIterable {
    case stylesheet
    /// Without one, browsers ask for `/favicon.ico`, which is not ours to answer.
    case icon

    var path: String {
        switch self {
        case .stylesheet: "/assets/pages-\(Self.stylesheetDigest).css"
        case .icon: "/assets/icon-\(Self.iconDigest).svg"
        }
    }

    func response(to request: Request) -> Response {
        Response(
            status: .ok,
            headers: [
                .contentType: contentType, .cacheControl: "public, max-age=31536000, immutable",
                .xContentTypeOptions: "nosniff",
                // An image of this kind opened by itself is a document.
                .contentSecurityPolicy: "default-src 'none'; frame-ancestors 'none'",
            ], body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
    }

    private var bytes: [UInt8] {
        switch self {
        case .stylesheet: PackageResources.pages_css
        case .icon: PackageResources.icon_svg
        }
    }

    private var contentType: String {
        switch self {
        case .stylesheet: "text/css; charset=utf-8"
        case .icon: "image/svg+xml"
        }
    }

    private static let stylesheetDigest = digest(of: PackageResources.pages_css)
    private static let iconDigest = digest(of: PackageResources.icon_svg)

    private static func digest(of bytes: [UInt8]) -> String {
        String(SHA256.hash(bytes).description.prefix(16))
    }
}
