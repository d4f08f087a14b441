import Testing
import TokenIssuer
import TokenVault
import TokenVaultTesting
import VaultCore

/// What slows down guesses at passwords, by itself: a check of one takes a fifth of a second.
@Suite struct `The throttle of sign-ins` {
    private let clock = SettableClock()
    private let log = LogLines()
    private let throttle: SignInThrottle

    init() { throttle = SignInThrottle(clock: clock, SharedAddressNotice(log.logger)) }

    /// Wrong passwords for names that differ.
    private func spray(_ peer: PeerAddress, times: Int = 110) {
        for number in 0..<times { throttle.begin("name-\(number)", from: peer).end(.failed) }
    }

    private func signIn(_ name: String, _ peer: PeerAddress) {
        throttle.begin(name, from: peer).end(.succeeded)
    }

    private static func peer(
        _ network: String? = "0a000001", isShared: Bool = false, isPrivate: Bool = true
    ) -> PeerAddress {
        PeerAddress(network: network, isShared: isShared, isPrivate: isPrivate)
    }

    @Test(arguments: [true, false])
    func `one password for many names is slow work at an address`(_ isPrivate: Bool) {
        let peer = Self.peer(isPrivate: isPrivate)
        spray(peer)
        #expect(throttle.wait(for: "alice", from: peer) != nil)
        #expect(throttle.wait(for: "alice", from: Self.peer("0a000002")) == nil)
    }

    @Test(arguments: [peer(isShared: true), peer(nil, isShared: true, isPrivate: false)])
    func `where all users share an address, only guesses at the same user wait`(_ peer: PeerAddress) {
        spray(peer)
        #expect(throttle.wait(for: "alice", from: peer) == nil)
        for _ in 0..<10 { throttle.begin("alice", from: peer).end(.failed) }
        #expect(throttle.wait(for: "alice", from: peer) != nil)
        #expect(throttle.wait(for: "bob", from: peer) == nil)
    }

    @Test func `the spellings of a name are one name`() {
        let spellings = ["alice", "Alice", "aLice", "alIce", "aliCe", "alicE", "ALICE", "ａｌｉｃｅ"]
        let (peer, proxy) = (Self.peer(isPrivate: false), Self.peer("0a000003"))
        for number in 0..<10 { throttle.begin(spellings[number % 8], from: peer).end(.failed) }
        for name in spellings { #expect(throttle.wait(for: name, from: peer) != nil) }
        // Nor does one user who signs in under eight spellings make an address that of a crowd.
        for name in spellings { signIn(name, proxy) }
        spray(proxy)
        #expect(throttle.wait(for: "bob", from: proxy) != nil)
    }

    @Test func `a private address from which many users sign in is a proxy's, and told once`() throws {
        let (proxy, other) = (Self.peer(), Self.peer("0a000002"))
        for number in 0..<8 {
            spray(proxy)
            #expect(throttle.wait(for: "alice", from: proxy) != nil)
            signIn("user-\(number)", proxy)
        }
        #expect(throttle.wait(for: "alice", from: proxy) == nil)
        signIn("user-9", proxy)
        #expect(log.all.count { $0.contains("Many users sign in from one private address") } == 1)
        #expect(log.all.allSatisfy { !$0.contains("user-") && !$0.contains("0a000001") })
        spray(other)
        #expect(throttle.wait(for: "alice", from: other) != nil)
    }

    @Test func `one user's many sign-ins, failures of many, and public addresses make no proxy`() throws {
        for _ in 0..<20 { signIn("mallory", Self.peer()) }
        spray(Self.peer())
        #expect(throttle.wait(for: "alice", from: Self.peer()) != nil)
        let office = Self.peer("cb007107", isPrivate: false)
        for number in 0..<20 { signIn("user-\(number)", office) }
        spray(office)
        #expect(throttle.wait(for: "alice", from: office) != nil)
        #expect(log.all.isEmpty)
    }
}
