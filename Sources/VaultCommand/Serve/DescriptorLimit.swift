import Foundation

/// How many files and connections this process may have open.
enum DescriptorLimit {
    /// Kept for the vault's own files, whatever the number of connections: without them no commit could be settled.
    static let reserve = 128

    /// Raises the soft limit to the hard one and returns what holds now.
    static func raise() -> Int {
        #if os(Linux)
            let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        #else
            let resource = RLIMIT_NOFILE
        #endif
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { return 1024 }
        limit.rlim_cur = limit.rlim_max
        setrlimit(resource, &limit)
        guard getrlimit(resource, &limit) == 0 else { return 1024 }
        return Int(clamping: limit.rlim_cur)
    }
}
