import TokenVault
package import VaultCore

/// What a device flow begins with (RFC 8628 section 3.2).
package struct DeviceAuthorization: Sendable {
    package var deviceCode: SecretBytes
    /// What the user types; printable.
    package var userCode: String
    /// Where the user types it; https, or http to this machine.
    package var verificationURI: String
    /// The same with the code in it, for a link or a QR code.
    package var verificationURIComplete: String?
    package var expiresAt: VaultInstant
    /// Least time between two questions; 5 s where the provider does not say, at least 1 s.
    package var interval: Duration
}

extension ProviderDialect {
    /// Reads the answer of the device authorization endpoint. Nothing is lost where it cannot be read.
    package func readDeviceAuthorization(
        _ reply: ProviderReply, at now: VaultInstant, sent: [SecretBytes] = []
    ) -> ReplyReading<DeviceAuthorization> {
        let answer = Answer(reply, of: self, to: .deviceAuthorization, at: now, sent: sent)
        return answer.reading(
            answer.body.tree.flatMap { DeviceAuthorization($0, at: now) }, missing: "device and user code")
    }
}

extension DeviceAuthorization {
    /// A device code that names no end.
    private static let defaultLifetime = Duration.seconds(600)
    private static let intervals = Duration.seconds(1)...Duration.seconds(300)

    fileprivate init?(_ tree: JSONValue, at now: VaultInstant) {
        guard case .string(let code)? = tree.value(at: "device_code"), NewTokens.isToken(code),
            let userCode = tree.value(at: "user_code")?.text, Self.isPrintable(userCode, atMost: 128),
            // Google wrote it so before there was an RFC.
            let uri = tree.first(of: ["verification_uri", "verification_url"])?.text,
            EndpointURL.fault(of: uri) == nil
        else { return nil }
        deviceCode = SecretBytes(code)
        self.userCode = userCode
        verificationURI = uri
        let complete = tree.first(of: ["verification_uri_complete", "verification_url_complete"])?.text
        verificationURIComplete = complete.flatMap { EndpointURL.fault(of: $0) == nil ? $0 : nil }
        switch ExpiryReading.read(tree.value(at: "expires_in"), as: .seconds, at: now) {
        case .at(let instant): expiresAt = instant
        case .absent, .never: expiresAt = now.advanced(by: Self.defaultLifetime)
        }
        // Section 3.2: "If no value is provided, clients MUST use 5 as the default."
        let interval =
            tree.value(at: "interval")?.text.flatMap(Int64.init).map(Duration.seconds) ?? .seconds(5)
        self.interval = min(max(interval, Self.intervals.lowerBound), Self.intervals.upperBound)
    }

    private static func isPrintable(_ text: String, atMost limit: Int) -> Bool {
        (1...limit).contains(text.utf8.count) && text.utf8.allSatisfy { (0x20...0x7E).contains($0) }
    }
}
