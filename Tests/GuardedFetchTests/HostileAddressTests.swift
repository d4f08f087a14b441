import Foundation
import GuardedFetch
import TestSupport
import Testing
import VaultCore

@Suite struct `No stranger chooses where inside of this network we connect` {
    @Test(arguments: [
        "http://a.example/x", "HTTPS://a.example/x", "https:/a.example/x", "https:a.example/x",
        "//a.example/x",
        "https://a.example", "https://a.example:443/x", "https://a.example:8443/x", "https://u@a.example/x",
        "https://u:p@a.example/x", "https://good.example@a.example/x", "https://a.example./x", "https://a/x",
        "https://localhost/x", "https://A.example/x", "https://a..example/x", "https://-a.example/x",
        "https://a-.example/x", "https://a_b.example/x", "https://%61.example/x",
        "https://a.example%2f@b.example/x",
        "https://bücher.example/x", "https://a.example/ü", "https://a。example/x", "https://１.example.com/x",
        "https://127.0.0.1/x", "https://2130706433/x", "https://017700000001/x", "https://0x7f000001/x",
        "https://0x7f.0.0.1/x", "https://127.1/x", "https://a.0x7f/x", "https://a.1/x", "https://[::1]/x",
        "https://[::ffff:127.0.0.1]/x", "https://[fe80::1%25eth0]/x", "https://a.example\\@b.example/x",
        "https://a.example\\x", "https://a.example?x", "https://a.example#/x", "https://a.example/x#y",
        "https://a.example/./x", "https://a.example/../x", "https://a.example/x/..",
        "https://a.example/%2e%2e/x",
        "https://a.example/x y", "https://a.example/x\r\nhost:b", " https://a.example/x", "https:///x",
        "https://a.example/x\u{0}", "", "https://\(String(repeating: "a", count: 64)).example/x",
        "https://a.example/\(String(repeating: "a", count: 500))",
    ])
    func `an address with two readings is refused`(_ text: String) {
        #expect(DocumentURL(text) == nil)
    }

    @Test func `one spelling is taken apart as it stands`() throws {
        let plain = try #require(DocumentURL("https://client.example/oauth/meta.json"))
        #expect(plain.host == "client.example")
        #expect(plain.target == "/oauth/meta.json")
        #expect(!plain.hasQuery)
        let asked = try #require(DocumentURL("https://xn--bcher-kva.example/keys?p=a/../b@c:1"))
        #expect(asked.host == "xn--bcher-kva.example")
        #expect(asked.hasQuery)
    }

    @Test(arguments: [
        [0, 0, 0, 0], [0, 1, 2, 3], [169, 254, 169, 254], [192, 0, 0, 1], [192, 0, 0, 170], [192, 0, 2, 1],
        [192, 31, 196, 1], [192, 52, 193, 1], [192, 88, 99, 1], [192, 175, 48, 1], [198, 18, 0, 1],
        [198, 19, 255, 255], [198, 51, 100, 1], [203, 0, 113, 1], [224, 0, 0, 1], [239, 255, 255, 250],
        [240, 0, 0, 1], [255, 255, 255, 255],
    ])
    func `nobody is sent to special addresses of version 4`(_ octets: [UInt8]) {
        #expect(NetworkAddress(octets).reach == .never)
    }

    @Test(arguments: [
        [10, 0, 0, 1], [10, 255, 255, 255], [100, 64, 0, 1], [100, 127, 255, 255], [127, 0, 0, 1],
        [127, 255, 255, 255], [172, 16, 0, 1], [172, 31, 255, 255], [192, 168, 0, 1],
    ])
    func `inner addresses are the operator's to name`(_ octets: [UInt8]) {
        #expect(NetworkAddress(octets).reach == .inside)
    }

    @Test(arguments: [
        [1, 1, 1, 1], [9, 255, 255, 255], [11, 0, 0, 0], [100, 63, 255, 255], [100, 128, 0, 0],
        [126, 0, 0, 1],
        [128, 0, 0, 1], [172, 15, 255, 255], [172, 32, 0, 0], [192, 0, 1, 1], [192, 167, 255, 255],
        [198, 17, 255, 255], [198, 20, 0, 0], [223, 255, 255, 255],
    ])
    func `the neighbours of those blocks are public`(_ octets: [UInt8]) {
        #expect(NetworkAddress(octets).reach == .outside)
    }

    @Test(arguments: [
        ("::", NetworkAddress.Reach.never), ("::1", .inside), ("::ffff:8.8.8.8", .never),
        ("::8.8.8.8", .never),
        ("64:ff9b::808:808", .never), ("64:ff9b:1::1", .never), ("100::1", .never), ("1fff::1", .never),
        ("2001::1", .never), ("2001:2::1", .never), ("2001:20::1", .never), ("2001:1ff::1", .never),
        ("2001:200::1", .outside), ("2001:db8::1", .never), ("2001:db9::1", .outside),
        ("2002:7f00:1::", .never),
        ("2003::1", .outside), ("2606:4700::1111", .outside), ("2620:4f:8000::1", .never),
        ("2620:4f:8001::1", .outside), ("3fff:fff::1", .never), ("3fff:1000::1", .outside),
        ("4000::1", .never),
        ("5f00::1", .never), ("fc00::1", .inside), ("fdff::1", .inside), ("fe00::1", .never),
        ("fe80::1", .never),
        ("fec0::1", .never), ("ff02::1", .never),
    ])
    func `of version 6 only global unicast is public`(_ text: String, _ reach: NetworkAddress.Reach) throws {
        #expect(NetworkAddress(try octets(text)).reach == reach)
    }

    private func octets(_ text: String) throws -> [UInt8] {
        var address = in6_addr()
        try #require(inet_pton(AF_INET6, text, &address) == 1)
        return withUnsafeBytes(of: &address) { Array($0) }
    }
}
