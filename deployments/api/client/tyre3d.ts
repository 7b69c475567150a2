/** A client of the Tyre3D service for Node (18 or later) and browsers: nothing but fetch. */

export type Status = "queued" | "processing" | "completed" | "failed";

interface Options {
  preset?: "fast" | "balanced" | "high";
  num_frames?: number;
  mc_resolution?: number;
  model?: string;
  device?: "auto" | "cuda" | "mps" | "cpu";
  diameter_mm?: number;
  motion?: "auto" | "orbit" | "turntable" | "spin" | "free";
  session?: string;
  /** Whether sidewalls and tread, laid flat, are written beside the GLB. */
  atlas?: boolean;
  /** Also the whole GLB uncompressed, as plain.glb. */
  plain?: boolean;
  /** The caller's own name of the job, such as an order's number. */
  reference?: string;
  /** Address that is told of the job's end; its host must be listed in the service's settings. */
  callback_url?: string;
}

export interface ReconstructRequest extends Options {
  /** Folder of PNG or JPEG frames; or give `video`. */
  preprocessing_output_dir?: string;
  video?: string;
  output_glb_path: string;
}

/** One tyre, new and used: each a video, a folder of frames, or the GLB of a finished job. */
export interface CompareRequest extends Options {
  new: string;
  damaged: string;
  output_dir: string;
  /** What the files are called. */
  name: string;
}

/** Kinds of jobs. */
export type Kind = "reconstruct" | "compare";

export interface JobAccepted {
  job_id: string;
  status: Status;
}

/** What speaks against a film or a mesh; `code` is stable. */
export interface Reason {
  code: string;
  level: "review" | "fail";
  message: string;
  advice: string;
}

export interface JobStatus {
  job_id: string;
  status: Status;
  /** 0 to 1. */
  progress: number;
  stage: string | null;
  /** Seconds that are left, as earlier jobs took; null where nothing tells. */
  eta_s: number | null;
  /** How far callback_url has been told of the end. */
  callback: "pending" | "delivered" | "given-up" | null;
  reference: string | null;
  /** Runs so far: one whose process died is started again. */
  attempts: number;
  created_at: string | null;
  started_at: string | null;
  finished_at: string | null;
  /** What the first frames say against the film; empty: nothing. */
  first_word: Reason[] | null;
  /** On the mesh, once completed; a mesh that failed must not be used. Of a comparison the last three. */
  verdict: "pass" | "review" | "fail" | "changed" | "not detectable" | "cannot compare" | null;
  reasons: Reason[] | null;
  /** What to film again. */
  retake: string[] | null;
  metadata: Record<string, unknown> | null;
  /** Once completed and there: the names that `file` takes. */
  files: string[] | null;
  /** Once completed: whether the files are still those that this job made. */
  result_is_there: boolean | null;
  error: { code: string; stage: string; message: string } | null;
}

/** The service refused a request; `code` is stable. */
export class Tyre3dError extends Error {
  readonly status: number;
  readonly code: string;
  /** When another try may succeed, where the service says so (429, 503). */
  readonly retryAfterS: number | null;

  constructor(status: number, code: string, message: string, retryAfterS: number | null = null) {
    super(`[${code}] ${message}`);
    this.name = "Tyre3dError";
    this.status = status;
    this.code = code;
    this.retryAfterS = retryAfterS;
  }
}

export class Tyre3dClient {
  readonly #url: string;
  readonly #headers: Record<string, string>;
  readonly #kind: Kind;

  /** `kind` is that of the jobs whose status, events and files are asked for. */
  constructor(url: string, token: string, kind: Kind = "reconstruct") {
    this.#url = url.replace(/\/+$/, "");
    this.#headers = { authorization: `Bearer ${token}` };
    this.#kind = kind;
  }

  /** Start a job. The same key finds the same job, however often a request is sent again. */
  async reconstruct(request: ReconstructRequest, idempotencyKey?: string): Promise<JobAccepted> {
    return this.#start("/reconstruct", request, idempotencyKey);
  }

  /** Start a comparison; a client of the kind "compare" follows it. */
  async compare(request: CompareRequest, idempotencyKey?: string): Promise<JobAccepted> {
    return this.#start("/compare", request, idempotencyKey);
  }

  async #start(path: string, request: Options, idempotencyKey?: string): Promise<JobAccepted> {
    const headers: Record<string, string> = { "content-type": "application/json" };
    if (idempotencyKey !== undefined) headers["idempotency-key"] = idempotencyKey;
    const answer = await this.#ask("POST", path, headers, JSON.stringify(request));
    return (await answer.json()) as JobAccepted;
  }

  async status(jobId: string): Promise<JobStatus> {
    const answer = await this.#ask("GET", `/${this.#kind}/status/${encodeURIComponent(jobId)}`);
    return (await answer.json()) as JobStatus;
  }

  async cancel(jobId: string): Promise<JobStatus> {
    const answer = await this.#ask("DELETE", `/${this.#kind}/${encodeURIComponent(jobId)}`);
    return (await answer.json()) as JobStatus;
  }

  /** The GLB of a completed job. */
  async mesh(jobId: string): Promise<ArrayBuffer> {
    return (await this.file(jobId, "mesh.glb")).arrayBuffer();
  }

  /** A file of a completed job: its status lists the names, such as report.html. */
  async file(jobId: string, name: string): Promise<Blob> {
    const path = `/${this.#kind}/${encodeURIComponent(jobId)}/${encodeURIComponent(name)}`;
    return (await this.#ask("GET", path)).blob();
  }

  /** Bring a video to the service; returns its path for a request. */
  async upload(name: string, video: Blob): Promise<string> {
    const answer = await this.#ask("PUT", `/uploads/${encodeURIComponent(name)}`, {}, video);
    return ((await answer.json()) as { video: string }).video;
  }

  /** Every change of a job, until it ends or the connection does. */
  async *events(jobId: string, signal?: AbortSignal): AsyncGenerator<JobStatus> {
    const path = `/${this.#kind}/events/${encodeURIComponent(jobId)}`;
    const answer = await this.#ask("GET", path, {}, undefined, signal);
    if (answer.body === null) return;
    const reader = answer.body.getReader();
    const decoder = new TextDecoder();
    let text = "";
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        text += decoder.decode(value, { stream: true });
        const parts = text.split("\n\n");
        text = parts.pop() ?? "";
        for (const part of parts) {
          const data = part.split("\n").find((line) => line.startsWith("data: "));
          if (data !== undefined) yield JSON.parse(data.slice(6)) as JobStatus;
        }
      }
    } finally {
      await reader.cancel().catch(() => undefined);
    }
  }

  /** Wait for the end of a job, over lost connections and restarts of the service. */
  async wait(jobId: string, onChange: (status: JobStatus) => void = () => {}): Promise<JobStatus> {
    for (;;) {
      let pauseS = 2;
      try {
        for await (const status of this.events(jobId)) {
          onChange(status);
          if (status.status === "completed" || status.status === "failed") return status;
        }
      } catch (error) {
        if (error instanceof Tyre3dError) {
          if (error.status < 500 && error.status !== 429) throw error;
          pauseS = Math.max(pauseS, error.retryAfterS ?? 0);
        }
      }
      await new Promise((resolve) => setTimeout(resolve, 1000 * pauseS));
    }
  }

  async #ask(
    method: string,
    path: string,
    headers: Record<string, string> = {},
    body?: string | Blob,
    signal?: AbortSignal,
  ): Promise<Response> {
    const answer = await fetch(this.#url + path, {
      method,
      headers: { ...this.#headers, ...headers },
      ...(body === undefined ? {} : { body }),
      ...(signal === undefined ? {} : { signal }),
    });
    if (answer.ok) return answer;
    const text = await answer.text();
    let code = "http";
    let message = text;
    try {
      const told = JSON.parse(text) as { code?: string; message?: string };
      code = told.code ?? code;
      message = told.message ?? message;
    } catch {
      // A proxy's page: its text is all there is.
    }
    const after = Number.parseInt(answer.headers.get("retry-after") ?? "", 10);
    throw new Tyre3dError(answer.status, code, message, Number.isNaN(after) ? null : after);
  }
}
