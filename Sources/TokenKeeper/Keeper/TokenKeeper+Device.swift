public import TokenVault
public import VaultCore

/// What a user is to consent to on another device (RFC 8628): where there is no browser, or none that could come back.
public struct DeviceRequest: Sendable {
    /// As it was added to the vault.
    public var provider: String
    public var user: OwnerID
    /// Tells several connections of one user at one provider apart.
    public var label = ""
    /// Names joined by single spaces; nil: what was chosen when the provider was added.
    public var scope: String?

    public init(provider: String, user: OwnerID) {
        self.provider = provider
        self.user = user
    }
}

/// A device flow that began: show the code and the address to the user, then ask with ``TokenKeeper/pollDevice(_:)``.
///
/// It lives in memory alone: after a restart the user begins again, and the old code ends by itself.
public struct BegunDevice: Sendable {
    /// What the user types.
    public let userCode: String
    /// Where.
    public let verificationURI: String
    /// The same with the code in it, for a link or a QR code.
    public let verificationURIComplete: String?
    public let expiresAt: VaultInstant
    /// Least time until the next question; it grows when the provider says so.
    public internal(set) var interval: Duration
    let deviceCode: SecretBytes
    let request: DeviceRequest
    let scope: String?
}

extension TokenKeeper {
    /// Begins a device flow (RFC 8628 section 3.1).
    ///
    /// - Throws: ``VaultError/Code/notFound`` (provider, user), ``VaultError/Code/denied`` (user), ``KeeperError``.
    public func beginDevice(_ request: DeviceRequest) async throws -> BegunDevice {
        let provider = try knownProvider(named: request.provider)
        guard try vault.user(request.user).state == .active else {
            throw VaultError(.denied, "The user is disabled.")
        }
        let scope = request.scope ?? provider.defaultScope
        guard let message = provider.dialect.deviceAuthorization(scope: scope) else {
            throw KeeperError(.notSupported, "This provider has no device flow.")
        }
        let reply: ProviderReply
        do throws(TransportFailure) { reply = try await send(message, to: provider) } catch {
            throw KeeperError.silent(error.cause.rawValue)
        }
        switch provider.dialect.readDeviceAuthorization(reply, at: clock.now()) {
        case .granted(let device):
            return BegunDevice(
                userCode: device.userCode, verificationURI: device.verificationURI,
                verificationURIComplete: device.verificationURIComplete, expiresAt: device.expiresAt,
                interval: device.interval, deviceCode: device.deviceCode, request: request, scope: scope)
        case .refused(let refusal): throw KeeperError(refusal)
        case .busy(_, let text), .ambiguous(let text), .unreadable(let text): throw KeeperError.silent(text)
        }
    }

    /// Asks once whether the user has consented (RFC 8628 section 3.4); the tokens are stored before this returns.
    ///
    /// - Returns: nil: not yet; wait ``BegunDevice/interval`` before the next question.
    /// - Throws: ``KeeperError``: the user said no, the code is over, the provider refuses; ``VaultError`` for trouble of
    ///   our own.
    public func pollDevice(_ device: inout BegunDevice) async throws -> Connection? {
        guard clock.now() < device.expiresAt else { throw Self.late }
        let provider = try knownProvider(named: device.request.provider)
        // The code may be spent by this: what comes is stored, whatever becomes of the caller.
        let (connection, asked) = try await undisturbed { [self, device] in
            var device = device
            return (try await poll(&device, provider), device)
        }
        device = asked
        return connection
    }

    private func poll(_ device: inout BegunDevice, _ provider: KnownProvider) async throws -> Connection? {
        let answer = await ask(
            provider, provider.dialect.deviceToken(deviceCode: device.deviceCode), sent: nil,
            alsoSent: [device.deviceCode])
        switch answer {
        case .reply(.granted(var granted), _) where granted.fitsOneRow:
            granted.scope = granted.scope ?? device.scope
            return try await store(granted, provider, device.request.user, label: device.request.label)
                .connection
        case .reply(.granted, let raw), .reply(.unreadable, let raw):
            throw try await keepUnread(
                raw, answer.diagnostic, provider, device.request.user, label: device.request.label,
                scope: device.scope)
        case .reply(.refused(let refusal), _):
            return try await proceed(after: refusal, &device)
        case .reply(.busy, _), .reply(.ambiguous, _), .failure:
            // Section 3.5: after a timeout "exponential backoff … is one possible approach". Had the lost answer held
            // tokens, the next one says so: the code is used.
            device.interval = min(device.interval * 2, .seconds(60))
            return nil
        }
    }

    private func proceed(
        after refusal: ProviderRefusal, _ device: inout BegunDevice
    ) async throws(KeeperError) -> Connection? {
        switch refusal.kind {
        case .pending: return nil
        case .slowDown:
            // "the interval MUST be increased by 5 seconds for this and all subsequent requests"
            device.interval += .seconds(5)
            return nil
        case .denied where refusal.code == "expired_token": throw Self.late
        case .denied:
            throw KeeperError(.accessDenied, "Access was not granted.", diagnostic: refusal.diagnostic)
        case .client, .clientOrToken, .grant, .request: throw KeeperError(refusal)
        }
    }

    private static let late = KeeperError(.refused, "The code was not entered in time. Begin again.")
}
