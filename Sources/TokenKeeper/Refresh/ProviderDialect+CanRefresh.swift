import TokenVault
import VaultCore

extension ProviderDialect {
    /// Whether there is anything to refresh a connection with.
    func canRefresh(_ held: HeldConnection) -> Bool {
        guard held.connection.kind == .consent else { return true }
        guard let pair = held.pair else { return false }
        return refresh(refreshToken: pair.refreshToken, accessToken: pair.accessToken, scope: nil) != nil
    }
}
