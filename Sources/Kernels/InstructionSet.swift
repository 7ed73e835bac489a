// Which variant of the kernels runs on this machine.

internal import CKernels

/// An instruction set that kernels are written for.
public enum InstructionSet: String, Sendable, CaseIterable {
    /// C without special instructions: runs everywhere, and is the reference of the others.
    case portable
    /// AVX2 with FMA and F16C.
    case avx2

    /// The best one that this CPU can run.
    public static var best: InstructionSet {
        pg_cpu_best_isa() == Int32(PG_ISA_AVX2.rawValue) ? .avx2 : .portable
    }

    /// Those that this CPU can run.
    public static var available: [InstructionSet] {
        best == .avx2 ? [.portable, .avx2] : [.portable]
    }
}

/// The kernels of one instruction set: a table of functions, chosen once at start. All variants give the same bits.
public struct KernelSet: Sendable {
    public let instructionSet: InstructionSet
    let matmul:
        @convention(c) (
            UnsafePointer<pg_matrix>?, Int32, Int32, UnsafePointer<pg_activations>?, Int32, Int32,
            UnsafeMutablePointer<Float>?, Int, Int32
        ) -> Void
    let rmsNorm:
        @convention(c) (
            UnsafePointer<Float>?, UnsafePointer<Float>?, Float, Int32, UnsafeMutablePointer<Float>?
        ) -> Void
    let quantizeRow:
        @convention(c) (
            UnsafePointer<Float>?, Int32, UnsafeMutablePointer<Int8>?, UnsafeMutablePointer<Float>?,
            UnsafeMutablePointer<Float>?, UnsafeMutablePointer<Float>?
        ) -> Void
    let rotate:
        @convention(c) (
            UnsafeMutablePointer<Float>?, Int32, Int32, Int32, UnsafePointer<Float>?, UnsafePointer<Float>?
        ) -> Void
    let gateSilu: @convention(c) (UnsafeMutablePointer<Float>?, UnsafePointer<Float>?, Int32) -> Void
    let add: @convention(c) (UnsafePointer<Float>?, Int32, UnsafeMutablePointer<Float>?) -> Void
    let attend:
        @convention(c) (
            UnsafePointer<pg_cache>?, UnsafePointer<pg_attention_task>?, UnsafeMutablePointer<Float>?
        ) -> Void
    let cacheStore:
        @convention(c) (
            UnsafePointer<pg_cache>?, Int64, UnsafePointer<Float>?, UnsafePointer<Float>?
        ) -> Void

    public init(_ instructionSet: InstructionSet = .best) {
        #if arch(x86_64)
            if instructionSet == .avx2, InstructionSet.best == .avx2 {
                self.instructionSet = .avx2
                matmul = pg_matmul_avx2
                rmsNorm = pg_rms_norm_avx2
                quantizeRow = pg_quantize_row_avx2
                rotate = pg_rotate_avx2
                gateSilu = pg_gate_silu_avx2
                add = pg_add_avx2
                attend = pg_attend_avx2
                cacheStore = pg_cache_store_avx2
                return
            }
        #endif
        self.instructionSet = .portable
        matmul = pg_matmul_portable
        rmsNorm = pg_rms_norm_portable
        quantizeRow = pg_quantize_row_portable
        rotate = pg_rotate_portable
        gateSilu = pg_gate_silu_portable
        add = pg_add_portable
        attend = pg_attend_portable
        cacheStore = pg_cache_store_portable
    }
}
