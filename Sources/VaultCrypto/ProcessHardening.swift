import CSodium
import CVaultShims
package import VaultCore

/// What a process that holds keys does about itself before it opens a vault.
package enum ProcessHardening {
    /// No core dumps, and no `ptrace` by processes of the same user. Cannot be undone for the core limit.
    package static func disableCoreDumps() throws(VaultError) {
        let code = tv_disable_core_dumps()
        guard code == 0 else {
            throw VaultError(
                .permissionDenied, "Core dumps could not be turned off (error \(code)).",
                remedy: "Allow prctl(2) and setrlimit(2) to this process.")
        }
    }

    /// Whether the system locks the pages that keys lie in; where it does not, they may be written to swap.
    /// libsodium asks for it and goes on where it is refused, so this asks once more for a page of them.
    package static func areKeysLocked() -> Bool {
        let slot = unsafe GuardedPool.shared.take()
        defer { unsafe GuardedPool.shared.give(back: slot) }
        return unsafe sodium_mlock(slot, GuardedPool.slotBytes) == 0
    }
}
