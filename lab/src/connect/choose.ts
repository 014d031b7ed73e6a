/** Which kernel of a runtime fits a notebook. */
import { IKernel, IRuntime } from '../api';

/** A kernelspec's name without its runtime: `gpu.python3` is `python3`. */
export function baseName(kernel: string, runtime: string): string {
  return kernel.startsWith(`${runtime}.`) ? kernel.slice(runtime.length + 1) : kernel;
}

/**
 * The kernel of `target` to run a notebook on that runs on `current` now: the same kernel, else
 * one of the same language, else the runtime's default. Null when the runtime offers none.
 */
export function chooseKernel(target: IRuntime, current: IKernel | null): IKernel | null {
  const byDefault =
    target.kernels.find(k => k.name === target.default_kernel) ?? target.kernels[0] ?? null;
  if (!current) {
    return byDefault;
  }
  const base = baseName(current.name, current.runtime);
  const speaks = (kernel: IKernel | null): boolean => kernel?.language === current.language;
  return (
    target.kernels.find(k => baseName(k.name, k.runtime) === base && speaks(k)) ??
    (speaks(byDefault) ? byDefault : undefined) ??
    target.kernels.find(speaks) ??
    byDefault
  );
}
