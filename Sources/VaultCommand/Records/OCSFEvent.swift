import TokenVault
import VaultCore

/// An entry of the log as an event of the Open Cybersecurity Schema Framework. docs/audit-log.md has the
/// table of which operation becomes which class and activity. Classes: 3001 Account Change, 3002
/// Authentication, 6003 API Activity.
struct OCSFEvent: Encodable, Sendable {
    static let schemaVersion = "1.3.0"

    let activityId: Int
    let activityName: String
    let categoryUid: Int
    let classUid: Int
    let typeUid: Int
    let time: Int64
    let severityId: Int
    let statusId: Int
    let status: String
    let statusDetail: String?
    let metadata: Metadata
    let actor: Actor
    /// Account Change and Authentication: whose account.
    var user: User?
    /// Authentication: where.
    var service: Named?
    /// API Activity: what was called, and through which door.
    var api: API?
    var srcEndpoint: Named?
    let unmapped: Unmapped
    /// The entry's exact bytes.
    let rawData: String

    struct Metadata: Encodable, Sendable {
        let version = OCSFEvent.schemaVersion
        let product = Product()
        /// The same for the same entry, however often it is exported.
        let uid: String
        let sequence: Int64
        let eventCode: String
        let logName: String
        let correlationUid: String?

        private enum CodingKeys: String, CodingKey {
            case version, product, uid, sequence, eventCode, logName, correlationUid
        }
    }

    struct Product: Encodable, Sendable {
        let name = "TokenVault"
        let vendorName = "TokenVault"
        let version = TokenVaultCommand.version

        private enum CodingKeys: String, CodingKey { case name, vendorName, version }
    }

    struct User: Encodable, Sendable { let uid: String }
    struct Actor: Encodable, Sendable { let user: User }
    struct Named: Encodable, Sendable { let name: String }
    struct API: Encodable, Sendable { let operation: String }

    /// What the schema has no place for, under the names of `audit list --json`.
    struct Unmapped: Encodable, Sendable {
        let channel: String
        let subject: String?
        let grant, generation: Int64?
        let grants: [Int64]?
        let fingerprint: String?
        let count: Int64?
    }

    init(_ detail: AuditDetail, origin: String) {
        let entry = detail.entry
        let kind = OCSFMapping.of(entry.operation)
        activityId = kind.activity
        activityName = kind.activityName
        categoryUid = kind.eventClass / 1000
        classUid = kind.eventClass
        typeUid = kind.eventClass * 100 + kind.activity
        time = entry.time.millisecondsSince1970
        let isDone = entry.outcome == "ok" || entry.outcome == "replayed"
        severityId = entry.outcome == "revoked" ? 4 : isDone ? 1 : 2
        statusId = isDone ? 1 : 2
        status = isDone ? "Success" : "Failure"
        statusDetail = entry.reason
        metadata = Metadata(
            uid: "\(origin)/\(entry.index)", sequence: entry.index, eventCode: entry.operation,
            logName: origin,
            correlationUid: entry.requestID)
        actor = Actor(user: User(uid: entry.actor))
        switch kind.eventClass {
        case OCSFMapping.accountChange:
            user = User(uid: entry.subject ?? entry.actor)
        case OCSFMapping.authentication:
            user = User(uid: entry.subject ?? entry.actor)
            service = Named(name: "TokenVault")
        default:
            api = API(operation: entry.operation)
            srcEndpoint = Named(name: entry.channel)
        }
        unmapped = Unmapped(
            channel: entry.channel, subject: entry.subject, grant: entry.grant, generation: entry.generation,
            grants: entry.grants.isEmpty ? nil : entry.grants, fingerprint: entry.fingerprint,
            count: entry.count)
        rawData = String(decoding: detail.leaf, as: UTF8.self)
    }
}
