#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// What the system knows of a file. Modules that import much else cannot name `stat` dependably: which C
/// module declares it there depends on what was loaded first.
package struct FileFacts: Sendable {
    package let isRegular: Bool
    package let isDirectory: Bool
    /// The nine bits of permission, and the three above.
    package let permissions: UInt32
    package let size: Int

    /// Of an open file; nil where the system does not say, with `errno`.
    package init?(of descriptor: Int32) {
        var information = stat()
        guard fstat(descriptor, &information) == 0 else { return nil }
        self.init(information)
    }

    /// Of what lies at a path, a symbolic link itself included.
    package init?(at path: String) {
        var information = stat()
        guard lstat(path, &information) == 0 else { return nil }
        self.init(information)
    }

    private init(_ information: stat) {
        isRegular = information.st_mode & S_IFMT == S_IFREG
        isDirectory = information.st_mode & S_IFMT == S_IFDIR
        permissions = UInt32(information.st_mode) & 0o7777
        size = Int(information.st_size)
    }
}
