import Testing
import VaultCore
import VaultCrypto

@Suite struct `FIPS 180-4: SHA-256` {
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ])
    func `known answers`(_ message: String, _ digest: String) {
        #expect(SHA256.hash(Array(message.utf8)).description == digest)
    }

    @Test func `a prefix and what follows are hashed as if they were one`() throws {
        let (a, b) = (Chosen.bytes("a", 32), Chosen.bytes("b", 32))
        let (left, right) = (try #require(Digest(bytes: a)), try #require(Digest(bytes: b)))
        #expect(SHA256.hash(prefix: 1, left, right) == SHA256.hash([1] + a + b))
        let part = Chosen.bytes("part", 70)
        #expect(SHA256.hash(prefix: 0, part) == SHA256.hash([0] + part))
        #expect(SHA256.hash(prefix: 0, []) == SHA256.hash([0]))
    }

    @Test func `a digest has 32 bytes`() {
        #expect(Digest(bytes: Chosen.bytes("digest", 32))?.bytes == Chosen.bytes("digest", 32))
        #expect(Digest(bytes: Chosen.bytes("digest", 31)) == nil)
        #expect(Digest(bytes: []) == nil)
    }
}

@Suite struct `RFC 8032: Ed25519` {
    /// Section 7.1: secret key, public key, message, signature.
    @Test(arguments: [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
                + "d25bf5f0595bbe24655141438e7a100b"
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
                + "4a7c15e9716ed28dc027beceea1ec40a"
        ),
    ])
    func `known answers`(_ seed: String, _ publicKey: String, _ message: String, _ signature: String) throws {
        let key = SigningKey(seed: try Chosen.key(of: try #require(Hex.decode(seed))))
        let bytes = try #require(Hex.decode(message))
        #expect(Hex.encode(key.publicKey) == publicKey)
        #expect(Hex.encode(key.sign(bytes)) == signature)
        #expect(Ed25519.verify(signature: key.sign(bytes), message: bytes, publicKey: key.publicKey))
    }

    @Test func `a changed signature, message or key is refused, and so is another length`() {
        let key = SigningKey(seed: .random())
        let message = Chosen.bytes("message", 100)
        let signature = key.sign(message)
        let attempts = [
            (signature.flipped(at: 3), message, key.publicKey),
            (signature.flipped(at: 40), message, key.publicKey),
            (signature, message.flipped(at: 0), key.publicKey), (signature, [], key.publicKey),
            (signature, message, SigningKey(seed: .random()).publicKey),
            (Array(signature.dropLast()), message, key.publicKey), ([], message, key.publicKey),
            (signature, message, Array(key.publicKey.dropLast())), (signature, message, []),
        ]
        for (signature, message, publicKey) in attempts {
            #expect(!Ed25519.verify(signature: signature, message: message, publicKey: publicKey))
        }
    }

    @Test func `a key made again from its seed signs the same`() {
        let key = SigningKey(seed: .random())
        #expect(SigningKey(seed: key.seed).sign([1, 2, 3]) == key.sign([1, 2, 3]))
    }
}

@Suite struct `RFC 7636: PKCE` {
    @Test func `the example of appendix B`() {
        let verifier = SecretBytes(copying: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
        #expect(PKCE.challengeS256(of: verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
    }

    @Test func `section 4.1: 43 to 128 unreserved characters`() {
        for (verifier, isLegal) in [
            (String(repeating: "a", count: 42), false), (String(repeating: "a", count: 43), true),
            (String(repeating: "~", count: 128), true), (String(repeating: "a", count: 129), false),
            ("", false),
            (String(repeating: "-._~", count: 20), true), (String(repeating: "a", count: 43) + "=", false),
            (String(repeating: "a", count: 43) + " ", false),
            (String(repeating: "a", count: 43) + "é", false),
            (String(repeating: "a", count: 43) + "+", false),
        ] {
            #expect((PKCE.challengeS256(of: SecretBytes(copying: verifier)) != nil) == isLegal, "\(verifier)")
        }
    }

    @Test func `a verifier that is made is legal, and another each time`() {
        let made = [PKCE.newVerifier(), PKCE.newVerifier()].map(PKCE.challengeS256(of:))
        #expect(made[0] != nil && made[1] != nil && made[0] != made[1])
    }

    @Test func `a challenge is 43 characters of canonical base64url`() {
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        #expect(PKCE.isChallenge(challenge))
        for other in [
            "", String(challenge.dropLast()), challenge + "A", challenge + "=", challenge.dropLast() + "N",
            challenge.dropLast() + "+", challenge.dropLast(2) + "é",
        ] {
            #expect(!PKCE.isChallenge(other), "\(other)")
        }
    }
}
