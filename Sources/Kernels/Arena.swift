// Owns the large memory of a model: weights, KV cache, activations.

internal import CKernels

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Memory that is taken at start, straight from the system, and lives as long as the arena.
///
/// What it hands out (`FloatMatrix`, `PackedMatrix`, …) are views without a count of references, so that compute
/// threads never contend for one; whoever holds a view must hold its arena too. Not thread-safe while allocating.
///
/// Small pieces are cut from large regions, which the system can back with huge pages: a forward pass streams all of a
/// model's matrices, and would otherwise miss in the CPU's table of pages all the time.
public final class Arena {
    private var regions: [UnsafeMutableRawBufferPointer] = []
    /// What is left of the region that small pieces are cut from.
    private var free = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    /// Bytes handed out.
    public private(set) var byteCount = 0

    private static let regionBytes = 32 << 20

    public init() {}

    deinit {
        for region in regions { munmap(region.baseAddress, region.count) }
    }

    /// `byteCount` zeroed bytes, aligned to a page.
    func allocate(_ byteCount: Int, purpose: String) throws(KernelError) -> UnsafeMutableRawPointer {
        let pageBytes = 4096, (sum, overflow) = max(byteCount, 1).addingReportingOverflow(pageBytes - 1)
        guard !overflow else { throw .shapeTooLarge(purpose: purpose) }
        let size = sum / pageBytes * pageBytes
        if size > free.count {
            if size >= Self.regionBytes / 4 {
                self.byteCount += size
                return try map(size, purpose: purpose)
            }
            let region = try map(Self.regionBytes, purpose: purpose)
            free = UnsafeMutableRawBufferPointer(start: region, count: Self.regionBytes)
        }
        guard let piece = free.baseAddress else { throw .outOfMemory(bytes: byteCount, purpose: purpose) }
        free = UnsafeMutableRawBufferPointer(rebasing: free[size...])
        self.byteCount += size
        return piece
    }

    private func map(_ size: Int, purpose: String) throws(KernelError) -> UnsafeMutableRawPointer {
        let address = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let address, address != MAP_FAILED else { throw .outOfMemory(bytes: size, purpose: purpose) }
        if size >= 4 << 20 { madvise(address, size, MADV_HUGEPAGE) }
        regions.append(UnsafeMutableRawBufferPointer(start: address, count: size))
        return address
    }

    /// Zeroed elements; the product of the dimensions is checked.
    func allocate<Element: BitwiseCopyable>(
        _ type: Element.Type, _ dimensions: Int..., purpose: String
    ) throws(KernelError) -> UnsafeMutablePointer<Element> {
        var size = MemoryLayout<Element>.stride
        for dimension in dimensions {
            let (product, overflow) = size.multipliedReportingOverflow(by: dimension)
            guard !overflow, dimension >= 0 else { throw .shapeTooLarge(purpose: purpose) }
            size = product
        }
        return try allocate(size, purpose: purpose).assumingMemoryBound(to: Element.self)
    }
}
