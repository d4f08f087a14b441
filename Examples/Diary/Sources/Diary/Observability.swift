import Metrics
import Tracing

extension Diary {
    /// - Parameters: of your backend, such as swift-prometheus and swift-otel.
    static func observe(_ metrics: any MetricsFactory, _ tracer: any Tracer) {
        MetricsSystem.bootstrap(metrics)
        InstrumentationSystem.bootstrap(tracer)
    }
}
