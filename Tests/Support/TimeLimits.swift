package import Testing

extension Trait where Self == TimeLimitTrait {
    /// What a test that awaits may take, on a slow machine too: what hangs fails, and says so.
    package static var bounded: Self { .timeLimit(.minutes(Effort.isNightly ? 60 : 15)) }
}
