/// Which class and activity of OCSF an operation of the log is; constant for one schema version.
struct OCSFMapping: Sendable {
    static let accountChange = 3001
    static let authentication = 3002
    static let apiActivity = 6003

    let eventClass: Int
    let activity: Int
    let activityName: String

    /// An operation that the table does not know, as a later version writes it, is an API activity of kind Other.
    static func of(_ operation: String) -> OCSFMapping {
        if let account = accounts[operation] { return account }
        if operation == "user.sign-in" || operation == "client.authenticate" {
            return OCSFMapping(eventClass: authentication, activity: 1, activityName: "Logon")
        }
        for (activity, name, operations) in calls where operations.contains(operation) {
            return OCSFMapping(eventClass: apiActivity, activity: activity, activityName: name)
        }
        return OCSFMapping(eventClass: apiActivity, activity: 99, activityName: operation)
    }

    private static let accounts: [String: OCSFMapping] = [
        "user.add": account(1, "Create"), "client.add": account(1, "Create"),
        "user.password": account(3, "Password Change"),
        "client.rotate-secret": account(4, "Password Reset"),
        "user.remove": account(6, "Delete"), "client.remove": account(6, "Delete"),
        "user.erase": account(6, "Delete"),
        "user.change": account(99, "user.change"), "client.change": account(99, "client.change"),
    ]

    private static func account(_ activity: Int, _ name: String) -> OCSFMapping {
        OCSFMapping(eventClass: accountChange, activity: activity, activityName: name)
    }

    private static let calls: [(activity: Int, name: String, operations: Set<String>)] = [
        (
            1, "Create",
            [
                "vault.create", "grant.authorize", "consent.grant", "signing-key.add", "provider.add",
                "connection.begin", "connection.add", "webhook.add", "token.code", "keyslot.add",
                "recovery.create", "recovery.split", "backup.create",
                "token.client-credentials", "token.implicit",
            ]
        ),
        (2, "Read", ["vault.open", "connection.reveal", "keyslot.test"]),
        (
            3, "Update",
            [
                "grant.first-use", "provider.change", "connection.callback", "connection.intent",
                "connection.refresh", "token.refresh", "audit.carry", "key.rotate",
                "key.rewrap", "vault.restore",
            ]
        ),
        (
            4, "Delete",
            [
                "grant.revoke", "consent.withdraw", "provider.remove", "connection.revoke",
                "connection.remove", "webhook.remove", "audit.prune", "keyslot.remove",
            ]
        ),
    ]
}
