import Logging
import TokenVault
import VaultCore

extension TokenIssuer {
    /// Leaves a trace of a token request that came in a query string: whoever operates old clients should know.
    func noteLegacyGet(_ client: AuthenticatedClient, _ origin: RequestOrigin) async throws(OAuthError) {
        vault.logger.warning(
            "A client sent its token request in a query string, where others may have logged it.",
            metadata: ["request_id": "\(origin.requestID ?? "-")"])
        do {
            try await vault.recordLegacyGet(
                by: client.client, channel: .http, requestID: origin.requestID)
        } catch { throw failure(error) }
    }
}
