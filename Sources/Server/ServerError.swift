// Why the server can't start, or had to stop.

public enum ServerError: Error, Equatable, CustomStringConvertible {
    /// The address is taken, not ours, or not an address.
    case cannotListen(address: String, reason: String)
    /// The listening socket failed while the server ran.
    case listenerFailed(reason: String)
    /// The certificate, its key or the authorities are missing or don't fit.
    case unusableCertificate(files: [String], reason: String)
    /// The server's own metrics contradict others of the registry: a mistake of the program.
    case invalidMetrics(reason: String)

    public var description: String {
        switch self {
        case .cannotListen(let address, let reason): "Cannot listen on \(address): \(reason)."
        case .unusableCertificate(let files, let reason):
            "\(files.joined(separator: ", ")) can't be used for TLS: \(reason)."
        case .invalidMetrics(let reason): "The server's metrics can't be registered: \(reason)"
        case .listenerFailed(let reason): "The listening socket failed: \(reason)."
        }
    }
}
