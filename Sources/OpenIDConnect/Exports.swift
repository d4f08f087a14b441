// What programs check key sets with before they register them, so that they import one module for it.
@_exported public import struct JOSE.ClientKeySet
