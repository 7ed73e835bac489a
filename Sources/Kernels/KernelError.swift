// What can go wrong before the kernels run; the kernels themselves cannot fail.

/// Why memory or threads could not be had.
public enum KernelError: Error, Equatable, CustomStringConvertible {
    case outOfMemory(bytes: Int, purpose: String)
    case noThreads(count: Int)
    case shapeTooLarge(purpose: String)

    public var description: String {
        switch self {
        case .outOfMemory(let bytes, let purpose):
            "No memory for \(purpose): \(bytes) bytes were refused by the system."
        case .noThreads(let count): "The system refused to start \(count) compute threads; try a smaller --threads."
        case .shapeTooLarge(let purpose): "The size of \(purpose) does not fit the address space."
        }
    }
}
