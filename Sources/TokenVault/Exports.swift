// What programs with a vault name all the time, so that they import one module for it.
@_exported public import struct VaultCore.ConnectionID
@_exported public import struct VaultCore.GrantID
@_exported public import struct VaultCore.OwnerID
@_exported public import struct VaultCore.ResourceIdentifier
@_exported public import struct VaultCore.ScopeSet
@_exported public import struct VaultCore.Secret
@_exported public import typealias VaultCore.SecretBytes
@_exported public import enum VaultCore.SigningAlgorithm
@_exported public import struct VaultCore.SystemClock
@_exported public import protocol VaultCore.VaultClock
@_exported public import enum VaultCore.VaultPlace
@_exported public import struct VaultCore.VaultError
@_exported public import struct VaultCore.VaultInstant
@_exported public import struct VaultCrypto.KeyProgram
@_exported public import protocol VaultCrypto.KeyProvider
@_exported public import enum VaultCrypto.KeySource
@_exported public import struct VaultCrypto.KeyslotContext
