// The server's certificate, and whose certificates it accepts: renewed while it runs.

import NIOSSL
import Synchronization

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// `--ssl-…`: files in PEM form.
public struct TLSFiles: Sendable, Equatable {
    /// What is asked of clients, with the numbers that Python's `ssl` gives it.
    public enum ClientCertificates: Int, Sendable, CaseIterable {
        case none = 0
        /// Checked if there is one.
        case optional = 1
        case required = 2
    }

    /// `--ssl-certfile`: the server's certificate, then those between it and its authority.
    public var certificateFile: String
    /// `--ssl-keyfile`; nil: it is in the same file.
    public var keyFile: String?
    /// `--ssl-ca-certs`: who issues clients' certificates.
    public var authorityFile: String?
    /// `--ssl-cert-reqs`.
    public var clientCertificates = ClientCertificates.none

    public init(certificateFile: String, keyFile: String? = nil) {
        self.certificateFile = certificateFile
        self.keyFile = keyFile
    }

    fileprivate var paths: [String] { [certificateFile, keyFile, authorityFile].compactMap { $0 } }
}

/// Gives each new connection the latest certificate; those that are open keep theirs.
final class TLSIdentity: Sendable {
    private struct State {
        var context: NIOSSLContext
        var stamps: [FileStamp]
    }

    private let files: TLSFiles
    private let state: Mutex<State>

    init(_ files: TLSFiles) throws(ServerError) {
        self.files = files
        let stamps = Self.stamps(files)
        state = Mutex(State(context: try Self.context(files), stamps: stamps))
    }

    var context: NIOSSLContext { state.withLock { $0.context } }

    /// Reads the files anew. If they can't be used, all stays as it was.
    func reload() throws(ServerError) {
        let stamps = Self.stamps(files)
        // Tried once; what is broken is tried again when it changes again.
        state.withLock { $0.stamps = stamps }
        let context = try Self.context(files)
        state.withLock { $0.context = context }
    }

    /// Whether a file is another than the one read last.
    var hasChanged: Bool {
        let stamps = Self.stamps(files)
        return state.withLock { $0.stamps != stamps }
    }

    private static func context(_ files: TLSFiles) throws(ServerError) -> NIOSSLContext {
        do {
            let chain = try NIOSSLCertificate.fromPEMFile(files.certificateFile)
            guard !chain.isEmpty else { throw NoCertificate() }
            let key = try NIOSSLPrivateKey(file: files.keyFile ?? files.certificateFile, format: .pem)
            var configuration = TLSConfiguration.makeServerConfiguration(
                certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
            configuration.minimumTLSVersion = .tlsv12
            configuration.applicationProtocols = ["http/1.1"]
            if files.clientCertificates != .none, let authorities = files.authorityFile {
                configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(authorities))
                // Clients have no host name of their own to be checked.
                configuration.certificateVerification =
                    files.clientCertificates == .required ? .noHostnameVerification : .optionalVerification
            }
            return try NIOSSLContext(configuration: configuration)
        } catch {
            // The library's errors name the file or the mismatch, never what is in it.
            throw .unusableCertificate(files: files.paths, reason: "\(error)")
        }
    }

    private struct NoCertificate: Error, CustomStringConvertible {
        var description: String { "there is no certificate in the first" }
    }

    private static func stamps(_ files: TLSFiles) -> [FileStamp] {
        files.paths.map { FileStamp($0) }
    }
}

/// Tells one version of a file from the next.
private struct FileStamp: Equatable {
    private var inode: UInt64 = 0
    private var bytes: Int64 = 0
    private var seconds = 0
    private var nanoseconds = 0

    init(_ path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return }
        inode = UInt64(status.st_ino)
        bytes = Int64(status.st_size)
        seconds = status.st_mtim.tv_sec
        nanoseconds = status.st_mtim.tv_nsec
    }
}
