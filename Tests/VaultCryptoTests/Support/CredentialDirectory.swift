import Foundation

/// A directory of this process with key files in it, which `$CREDENTIALS_DIRECTORY` names.
///
/// Set once and for the whole process: the environment is no place to change while others read it.
enum CredentialDirectory {
    static let url: URL = {
        let url = FileManager.default.temporaryDirectory.appending(path: "tokenvault-\(UUID().uuidString)")
        do {
            try FileManager.default.createDirectory(at: url, withIntermediateDirectories: false)
        } catch {
            fatalError("no temporary directory: \(error)")
        }
        setenv("CREDENTIALS_DIRECTORY", url.path(), 1)
        atexit { try? FileManager.default.removeItem(at: CredentialDirectory.url) }
        return url
    }()

    /// A new file with `content` that only its owner may use.
    static func write(_ content: [UInt8], mode: Int = 0o600) throws -> URL {
        let file = url.appending(path: UUID().uuidString)
        try Data(content).write(to: file)
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file.path())
        return file
    }
}
