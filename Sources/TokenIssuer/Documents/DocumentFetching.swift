public import VaultCore

/// Fetches documents from places that strangers name: what ``TokenIssuer`` needs of the network and leaves to a module
/// above it. ``/GuardedFetch/FetcherProcess`` does it in a process of its own.
///
/// An implementation keeps the addresses of this network from strangers: a name may resolve to any of them.
public protocol DocumentFetching: Sendable {
    /// The body of the answer to one GET: of status 200, in JSON by its media type, at most as long as its kind allows. No
    /// redirect is followed.
    func fetch(_ request: DocumentRequest) async throws(DocumentFailure) -> [UInt8]
}

/// A document to fetch.
public struct DocumentRequest: Sendable, Hashable {
    /// What is fetched, and so how much of it.
    public enum Kind: UInt8, Sendable {
        /// A client's metadata (draft-ietf-oauth-client-id-metadata-document).
        case client = 1
        /// A JWK Set (RFC 7517 section 5).
        case keys = 2

        /// Longest body, in bytes.
        public var limit: Int { self == .client ? Limits.clientDocumentBytes : Limits.fetchedKeySetBytes }
    }

    public let url: DocumentURL
    public let kind: Kind
    /// The operator vouches for the host: its name may resolve to an address of a private network.
    public let mayBeInside: Bool
    /// It is of a client that an operator registered or a user allowed, which strangers must not keep from being read.
    public var isKnown: Bool

    public init(_ url: DocumentURL, _ kind: Kind, mayBeInside: Bool = false, isKnown: Bool = false) {
        self.url = url
        self.kind = kind
        self.mayBeInside = mayBeInside
        self.isKnown = isKnown
    }
}

/// Why a document was not fetched.
public enum DocumentFailure: UInt8, Error, Sendable, CaseIterable {
    /// The name has no address.
    case nameLookup = 1
    /// An address of the name is one that no stranger may send us to.
    case address
    case connect
    /// The certificate is not for the name, or of no authority that is trusted here.
    case tls
    /// The answer is a redirect, an error, or not HTTP.
    case answer
    /// The answer is not JSON by its media type, or is compressed; or it is not what it should be.
    case content
    case tooLarge
    case timeout
    /// More are being fetched than may be at once.
    case busy
    /// The fetcher does not run.
    case unavailable
}
