/// Every bound of the library, each with its reason. Formats and promises depend on some of them.
public enum Limits {
    /// A sealed field holds at most this; a token response with generous claims is under 16 KiB.
    public static let sealedFieldBytes = 64 * 1024
    /// A provider's raw reply, kept when it cannot be parsed.
    public static let sealedReplyBytes = 1024 * 1024
    /// `scope`, in bytes: rows and leaves stay small.
    public static let scopeBytes = 1024
    /// A redirect URI, in bytes: longer ones do not survive browsers.
    public static let redirectURIBytes = 2048
    /// `resource`, in bytes: it is kept with every access token, and an address of a service is under 100.
    public static let resourceBytes = 512
    /// `nonce`, in bytes: it is kept with the grant; random values are under 100.
    public static let nonceBytes = 1024
    /// Redirect URIs a client may register.
    public static let redirectURIs = 32
    /// The identifier of a client that registered itself, in bytes: it holds what the client chose.
    public static let clientIDBytes = 2048
    /// Clients that registered themselves and that one user allows, and such clients that one user brings into the vault
    /// within ``selfRegisteredWindow``: taking consent back makes no room for further rows.
    public static let selfRegisteredClients = 100
    /// As long as their grants last: after it users are asked again anyhow.
    public static let selfRegisteredWindow = Duration.seconds(30 * 86400)
    /// A user or client name, in bytes of UTF-8.
    public static let nameBytes = 256
    /// The size of one audit leaf in bytes.
    public static let leafBytes = 4096
    /// Leaves under one stored subtree hash (a full tile of C2SP tlog-tiles).
    public static let tileWidth = 256
    /// A signed note read from outside, in bytes: a checkpoint with its signature is under 300.
    public static let signedNoteBytes = 64 * 1024
    /// Signature lines in one note: C2SP asks for at least 16.
    public static let noteSignatures = 64
    /// Live client secrets of one client: two suffice to rotate.
    public static let clientSecrets = 8
    /// Hashes in one proof: a path through a tree of 2^63 leaves, and one more that a consistency proof can have.
    public static let proofHashes = 64
    /// What stands before the checkpoint of a proof, in bytes: its hashes at 45 each, and a leaf as base64.
    public static let proofHeadBytes = 16 * 1024
    /// Leaves that pruning removes in one transaction, a multiple of the tile: some milliseconds of the writer's time.
    public static let prunedLeavesPerWrite: Int64 = 1024
    /// Leaves that a service reads and prunes at once: a tenth of a second of a reader's time.
    public static let prunedLeavesAtOnce: Int64 = 65_536
    /// Longest life of an authorization code: RFC 6749 section 4.1.2 recommends at most 10 minutes.
    public static let authorizationCodeLifetime = Duration.seconds(600)
    /// Upper end of the retry window a client may be given.
    public static let retryWindow = Duration.seconds(600)
    /// Honest workers that refresh at once and use the result at once do so within this.
    public static let raceWindow = Duration.seconds(10)
    /// Longest time that a replaced refresh token may work under any policy: what others in the field allow, too.
    public static let staleTokenCap = Duration.seconds(30 * 86400)
    /// Most replacements that a refresh token may outlive: six weeks of hourly refreshes.
    public static let staleGenerations = 1000
    /// A code presented again within this of its issue revokes what it gave.
    public static let codeReuseWindow = Duration.seconds(600)
    /// An expired grant stays this long, so that late reuse is still recognised.
    public static let expiredGrantRetention = Duration.seconds(7 * 86400)
    /// A code that was not redeemed stays this long after its issue, so that one redeemed late is told apart from an unknown
    /// one.
    public static let unredeemedCodeRetention = Duration.seconds(1800)
    /// Codes deleted by one write of upkeep: some milliseconds of the writer's time.
    public static let purgedCodesPerWrite = 64
    /// Grants that one read examines for codes to delete: some milliseconds of a reader's time.
    public static let examinedGrants: Int64 = 4096
    /// Callers that may wait for the writer; beyond it, 503 at once.
    public static let writeQueueLength = 4096
    /// Longest wait for the writer before 503.
    public static let writeQueueDeadline = Duration.seconds(10)
    /// Bodies in one transaction: past this a bigger batch gains nothing and delays its first caller.
    public static let writeBatch = 256
    /// Expired grants deleted by one transaction that creates a new one.
    public static let purgedGrantsPerIssue = 4
    /// Space kept back so that finished work can be committed on a full disk.
    public static let ballastBytes: Int64 = 4 * 1024 * 1024
    /// Further free space, below which new work is refused before it finds the disk full.
    public static let spaceForNewWork: Int64 = 1024 * 1024
    /// A client's own JWK Set, in bytes: a dozen RSA keys.
    public static let keySetBytes = 16 * 1024
    /// A JWK Set that is fetched, in bytes: large providers publish certificates beside their keys.
    public static let fetchedKeySetBytes = 64 * 1024
    /// A client's metadata document, in bytes, as its draft recommends.
    public static let clientDocumentBytes = 5 * 1024
    /// A password, in bytes of UTF-8: NIST SP 800-63B asks for at least 8; past the upper end it is no password.
    public static let passwordBytes = 8...1024
    /// A password or passphrase before it is brought into NFC, in bytes: decomposed text is longer, but not four times.
    public static let typedSecretBytes = 4096
    /// Passwords hashed at one time: each takes 64 MiB and a processor for a fifth of a second.
    public static let passwordHashes = 2
    /// Sign-ins that may wait for their turn to hash, the last of them for some six seconds; beyond it, 503 at once.
    public static let waitingPasswordHashes = 64
    /// Longest wait for that turn: past it browsers and proxies have given up, and a service that is told to stop would hash
    /// on for them.
    public static let passwordHashWait = Duration.seconds(30)
    /// State that browsers keep for us, and session cookies.
    public static let sealedStateBytes = 16 * 1024
    /// Longest life of a sign-in session.
    public static let sessionLifetime = Duration.seconds(400 * 86400)
    /// A used assertion is remembered this much longer than it is valid, in case a clock is set back.
    public static let assertionRetention = Duration.seconds(86400)
    /// Rows that one leaf names when many change for one reason: each takes about 100 of its bytes.
    public static let rowsPerLeaf = 24
    /// Grants of many people that one leaf names by hashes: each takes 35 of its bytes.
    public static let marksPerLeaf = 64
    /// Expired rows of sessions and assertions deleted by one write of their kind.
    public static let purgedRowsPerWrite = 8
    /// What is kept of a provider: an entry with generous comments.
    public static let providerDefinitionBytes = 64 * 1024
    /// The label that tells two connections of one user at one provider apart, in bytes.
    public static let labelBytes = 128
    /// What a provider told beside tokens and is kept with a connection, in bytes.
    public static let connectionDetailsBytes = 16 * 1024
    /// `scope` as a provider wrote it, in bytes: some list URLs.
    public static let providerScopeBytes = 8 * 1024
    /// How long a user may take to consent at a provider.
    public static let authorizationRequestLifetime = Duration.seconds(3600)
    /// `state`, or what binds a consent to a browser session, as it comes back from a browser, in bytes.
    public static let callbackValueBytes = 4096
    /// Webhooks of one vault: each gets every event.
    public static let webhooks = 16
    /// Leaves that one read of a follower of the log examines: some milliseconds of a reader's time.
    public static let followedLeaves: Int64 = 8192
    /// Refusals that one process writes to the log at once, when there were none before: of strangers, and of holders of an
    /// authentic token or secret.
    public static let auditedRefusalsAtOnce = 10
    /// Between two entries of strangers after that: 1,440 a day, each of which counts what came since the one before.
    public static let foldedRefusalInterval = Duration.seconds(60)
    /// Kinds that such an entry counts one by one: more would not fit a leaf.
    public static let foldedRefusalKinds = 48
    /// Between two entries of holders: 86,400 a day, some 35 MB.
    public static let auditedRefusalInterval = Duration.seconds(1)
    /// Keyslots of one vault: an operator has to look after each.
    public static let keyslots = 8
    /// What a key program keeps in its slot, in bytes: wrapped keys of cloud services are under 1 KiB.
    public static let keyProgramBlobBytes = 4096
    /// Anchors of one vault: each gets a checkpoint in every second with changes.
    public static let anchors = 8
    /// The time a program has to read a checkpoint, and a witness to answer one request.
    public static let anchorDeadline = Duration.seconds(5)
    /// A witness's answer, in bytes: a few signature lines; the largest, of ML-DSA-44, have 3.3 KB.
    public static let witnessReplyBytes = 16 * 1024
    /// Requests to a witness for one checkpoint: it says what it has, is told of more by another process, and once more.
    public static let witnessAttempts = 3
    /// Between two checkpoints for a witness, which serves many logs.
    public static let witnessPause = Duration.seconds(5)
}
