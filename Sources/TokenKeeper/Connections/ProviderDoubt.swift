import Foundation
import TokenVault
import VaultCore

/// Why our client at a provider is in doubt, or refused: which connections were refused so, with no success since.
///
/// Kept in the provider's definition, under `doubt`, from the first such refusal to the next success. A provider that is
/// stopped without it, by a restore, is not called before an operator resumes it.
///
/// ```
///  active ─ refused without a name ─► active, in doubt ─ by ``witnesses`` connections ─► stopped
///     ▲                                    │ a success                                      │ a probe
///     └────────────────────────────────────┴───────────────── a success ◄───────────────────┘
///  active ─ `invalid_client` ─► stopped
/// ```
package struct ProviderDoubt: Codable, Sendable, Equatable {
    /// This many different connections, refused with no success between, mean that our client is refused.
    static let witnesses = 3
    /// Between two probes of a stopped provider.
    private static let pause: Int64 = 60_000

    package internal(set) var connections: [Int64]
    /// Of the last of them.
    package internal(set) var reason: String
    /// The provider named our client.
    private var isNamed: Bool
    private var probes: Int64 = 0
    /// When a stopped provider is called next: milliseconds since 1970.
    private var probeAt: Int64 = 0

    init(_ refusal: RefusedRefresh) {
        connections = []
        reason = refusal.reason
        isNamed = refusal.meaning == .client
    }

    /// - Returns: whether that is enough to stop the provider.
    mutating func add(_ connection: Int64, _ refusal: RefusedRefresh, at now: VaultInstant) -> Bool {
        if !connections.contains(connection) { connections.append(connection) }
        reason = refusal.reason
        isNamed = refusal.meaning == .client
        guard isNamed || connections.count >= Self.witnesses else { return false }
        planProbe(after: now)
        return true
    }

    /// A call goes out to a stopped provider.
    mutating func probe(at now: VaultInstant) {
        probes += 1
        planProbe(after: now)
    }

    /// A minute after a refusal by name. Connections that were refused one by one may be dead ones by chance:
    /// the first probes come after 1, 2, 4 … seconds.
    private mutating func planProbe(after now: VaultInstant) {
        let pause = isNamed ? Self.pause : min(Self.pause, 1000 << min(probes, 6))
        probeAt = now.millisecondsSince1970 + pause
    }

    /// How long a stopped provider is left alone; nil: it may be called once, to see.
    func probeWait(at now: VaultInstant) -> Duration? {
        let wait = probeAt - now.millisecondsSince1970
        // Longer than it can be: the clock was set back.
        return wait > 0 && wait <= Self.pause ? .milliseconds(wait) : nil
    }
}

extension ProviderRow {
    /// Nil: no refusal put the client in doubt, or the definition is of another version.
    var doubt: ProviderDoubt? {
        struct Holder: Decodable { let doubt: ProviderDoubt? }
        guard definition.contains("\"\(Self.doubtMember)\"") else { return nil }
        return try? JSONDecoder().decode(Holder.self, from: Data(definition.utf8)).doubt
    }

    mutating func setDoubt(_ doubt: ProviderDoubt?) throws {
        guard doubt != self.doubt else { return }
        try setMember(
            Self.doubtMember,
            to: try doubt.map { try JSONSerialization.jsonObject(with: JSONEncoder().encode($0)) })
    }
}

extension WriteTransaction {
    /// Weighs a refusal that may be of our client.
    ///
    /// - Returns: the entry of a provider that is not called from now on; nil: it is as it was.
    func doubtProvider(
        _ id: ProviderID, _ refusal: RefusedRefresh, by connection: Int64, _ actor: AuditActor
    ) throws -> AuditEvent? {
        guard var row = try load(ProviderRow.self, id.rawValue)?.row, row.state == .active,
            row.revision == refusal.revision
        else { return nil }
        var doubt = row.doubt ?? ProviderDoubt(refusal)
        let isStopped = doubt.add(connection, refusal, at: now)
        if isStopped { row.state = .stopped }
        try row.setDoubt(doubt)
        try update(row)
        guard isStopped else { return nil }
        var event = AuditEvent(.providerChange, provider: row, by: actor, reason: LeafReason.stopped)
        // Connections of many people.
        event.grants = try doubt.connections.compactMap { id in
            guard let row = try load(ConnectionRow.self, id)?.row else { return nil }
            return try owner(row.owner).map { (id, $0.pseudonym) }
        }
        return event
    }

    /// A provider gave tokens: our client is good.
    ///
    /// - Returns: the entry of a provider that is called again.
    func trustProvider(_ id: ProviderID, _ actor: AuditActor) throws -> AuditEvent? {
        guard var row = try load(ProviderRow.self, id.rawValue)?.row, row.doubt != nil else { return nil }
        let wasStopped = row.state == .stopped
        row.state = .active
        try row.setDoubt(nil)
        try update(row)
        return wasStopped
            ? AuditEvent(.providerChange, provider: row, by: actor, reason: LeafReason.resumed) : nil
    }

    /// Whether a call to a provider may go out now; where it is a probe of a stopped one, it is the only one for a while.
    func admitCall(to id: ProviderID) throws -> Bool {
        guard var row = try load(ProviderRow.self, id.rawValue)?.row else { return false }
        guard row.state == .stopped else { return true }
        // Without one it was stopped for another reason: an operator resumes it.
        guard var doubt = row.doubt, doubt.probeWait(at: now) == nil else { return false }
        doubt.probe(at: now)
        try row.setDoubt(doubt)
        try update(row)
        return true
    }
}
