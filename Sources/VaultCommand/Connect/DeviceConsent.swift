import TokenKeeper
import TokenVault
import VaultCore

/// A consent on another device (RFC 8628): the user types a code there.
struct DeviceConsent {
    let keeper: TokenKeeper
    let output: OutputArguments

    /// Shows the code and asks until the user has decided, or the code is over.
    func connect(_ request: DeviceRequest, within timeout: Duration) async throws -> Connection {
        var device = try await keeper.beginDevice(request)
        announce(device)
        let end = keeper.vault.clock.now().advanced(by: timeout)
        while true {
            try await Task.sleep(for: device.interval)
            if let connection = try await keeper.pollDevice(&device) { return connection }
            guard keeper.vault.clock.now() < end else {
                throw VaultError(
                    .unavailable, "The code was not entered in time.",
                    remedy: "Begin again; --timeout gives more time.")
            }
        }
    }

    private func announce(_ device: BegunDevice) {
        guard !output.isJSON else {
            let event = DeviceEvent(
                event: "device_code", userCode: device.userCode, verificationUri: device.verificationURI,
                verificationUriComplete: device.verificationURIComplete,
                expiresAt: Timestamp(device.expiresAt))
            if let line = try? JSONText.encode(event) { Console.note(line) }
            return
        }
        Console.note("Open \(Console.harmless(device.verificationURI)) on any device and enter this code:")
        Console.note("  \(Console.harmless(device.userCode))")
        if let link = device.verificationURIComplete { Console.note("Or open \(Console.harmless(link))") }
    }
}

/// What the user needs, one line on standard error under `--json`.
private struct DeviceEvent: Encodable {
    let event, userCode, verificationUri: String
    let verificationUriComplete: String?
    let expiresAt: Timestamp
}
