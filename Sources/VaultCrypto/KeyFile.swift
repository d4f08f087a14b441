import CSodium
import VaultCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Key files: 32 raw bytes, or the text form, a line `TOKENVAULT-KEY-1 <43 characters of base64url>`. Length
/// alone tells the two apart: 32 bytes, or 60 with an optional newline.
enum KeyFile {
    private static let file = SecretFile(
        noun: "key file", label: "TOKENVAULT-KEY-1", byteCount: GuardedKey.byteCount)

    /// A new file in text form.
    static func create(_ key: GuardedKey, at path: String) throws(VaultError) {
        try unsafe key.withBytes { key throws(VaultError) in
            try unsafe file.create(key.bindMemory(to: UInt8.self), at: path)
        }
    }

    /// Credentials live in a directory that systemd guards, where access lists may show as group bits.
    static func read(at path: String, isCredential: Bool) throws(VaultError) -> GuardedKey {
        try unsafe file.read(at: path, forbidden: isCredential ? 0o007 : 0o077) {
            content throws(VaultError) in
            try unsafe parse(content, path)
        }
    }

    /// From a pipe or a file that is open, to its end.
    static func read(descriptor: Int32) throws(VaultError) -> GuardedKey {
        let name = "descriptor \(descriptor)"
        return try unsafe file.read(descriptor, name) { content throws(VaultError) in
            try unsafe parse(content, "What comes from \(name)")
        }
    }

    /// The file `name` in `$CREDENTIALS_DIRECTORY`.
    static func readCredential(named name: String) throws(VaultError) -> GuardedKey {
        guard !name.isEmpty, !name.utf8.contains(UInt8(ascii: "/")), name != ".", name != ".." else {
            throw VaultError(.invalidInput, "A systemd credential is a plain file name, without slashes.")
        }
        guard let directory = unsafe getenv("CREDENTIALS_DIRECTORY") else {
            throw VaultError(
                .notFound, "$CREDENTIALS_DIRECTORY is not set.",
                remedy: "Run as a systemd unit with LoadCredential= or LoadCredentialEncrypted=.")
        }
        return try read(at: "\(unsafe String(cString: directory))/\(name)", isCredential: true)
    }

    private static func parse(
        _ content: UnsafeBufferPointer<UInt8>, _ name: String
    ) throws(VaultError) -> GuardedKey {
        if let key = try? unsafe GuardedKey(copying: UnsafeRawBufferPointer(content)) { return key }
        var isCanonical = false
        let key = unsafe GuardedKey { slot in
            isCanonical = unsafe file.decode(content, into: slot)
        }
        guard isCanonical else {
            throw VaultError(
                .invalidInput, "\(name) is not a key file: neither 32 bytes nor a TOKENVAULT-KEY-1 line.",
                remedy: "Name the file that was made when the vault or its keyslot was created.")
        }
        return key
    }
}
