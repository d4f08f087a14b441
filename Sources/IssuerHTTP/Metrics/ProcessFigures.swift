import Foundation

/// What the process uses, under the names that every Prometheus client gives it.
struct ProcessFigures {
    private var processorSeconds: Double?
    private var residentBytes: Double?
    private var openDescriptors: Double?
    private var descriptorLimit: Double?

    /// What cannot be found out is left out: it is not there on every system.
    static func now() -> ProcessFigures {
        var figures = ProcessFigures()
        var usage = rusage()
        #if os(Linux)
            let itself = __rusage_who_t(RUSAGE_SELF.rawValue)
            let descriptors = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        #else
            let itself = RUSAGE_SELF
            let descriptors = RLIMIT_NOFILE
        #endif
        if getrusage(itself, &usage) == 0 {
            figures.processorSeconds = usage.ru_utime.seconds + usage.ru_stime.seconds
        }
        var limit = rlimit()
        if getrlimit(descriptors, &limit) == 0 { figures.descriptorLimit = Double(limit.rlim_cur) }
        // The second number: resident pages (proc(5)).
        if let pages = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
            .split(separator: " ").dropFirst().first.flatMap({ Double($0) })
        {
            figures.residentBytes = pages * Double(sysconf(Int32(_SC_PAGESIZE)))
        }
        if let names = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd") {
            figures.openDescriptors = Double(names.count)
        }
        return figures
    }

    func add(to text: inout MetricsText) {
        text.gauge("process_resident_memory_bytes", "Resident memory.", residentBytes)
        text.gauge("process_open_fds", "Open file descriptors.", openDescriptors)
        text.gauge("process_max_fds", "File descriptors it may open.", descriptorLimit)
        text.seconds("process_cpu_seconds_total", "Processor time used.", processorSeconds)
    }
}

extension timeval {
    fileprivate var seconds: Double { Double(tv_sec) + Double(tv_usec) / 1_000_000 }
}
