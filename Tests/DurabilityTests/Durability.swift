import TestSupport
import Testing

/// What survives a killed process, a power cut, a failing disk and a busy neighbour.
///
/// One test at a time: each keeps both processors busy, and some measure how long others wait.
@Suite(.serialized, .bounded) enum Durability {}
