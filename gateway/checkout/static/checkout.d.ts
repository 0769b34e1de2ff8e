/**
 * The checkout on a shop's page: a dialog, the payment in a window beside it, one call back about how
 * it ended. It sees no card, and says what the server says.
 */
type CheckoutResult = {
    outcome: "succeeded" | "pending";
    paymentId: string;
    orderId: string;
    status: string;
    amount: number;
    currency: string;
    signature: string | null;
};
type CheckoutFailure = {
    outcome: "failed" | "cancelled" | "open";
    code: string;
    message: string;
    recoverable: boolean;
    docUrl: string;
};
type CheckoutOptions = {
    key: string;
    orderId: string | Promise<string>;
    onSuccess?(result: CheckoutResult): void;
    onPending?(result: CheckoutResult): void;
    onFailure?(failure: CheckoutFailure): void;
    onClose?(why: {
        reason: "user" | "api" | "done";
    }): void;
    onEvent?(told: {
        name: string;
        at: number;
        data: any;
    }): void;
    mode?: "auto" | "popup" | "redirect";
    returnUrl?: string;
    locale?: string;
    theme?: "auto" | "light" | "dark";
    apiBase?: string;
};
type CheckoutEnd = Promise<CheckoutResult | CheckoutFailure>;
type Checkout = {
    open(): CheckoutEnd;
    close(): void;
    state: string;
    on(name: string, listener: (data: any) => void): () => void;
};
type CheckoutClass = {
    new (options: CheckoutOptions): Checkout;
    version: string;
    resume(options: CheckoutOptions): CheckoutEnd | null;
};
/**
 * @typedef {{outcome: "succeeded" | "pending", paymentId: string, orderId: string, status: string,
 *   amount: number, currency: string, signature: string | null}} CheckoutResult
 * @typedef {{outcome: "failed" | "cancelled" | "open", code: string, message: string,
 *   recoverable: boolean, docUrl: string}} CheckoutFailure `open`: left, and still to be paid
 * @typedef {{key: string, orderId: string | Promise<string>, onSuccess?(result: CheckoutResult): void,
 *   onPending?(result: CheckoutResult): void, onFailure?(failure: CheckoutFailure): void,
 *   onClose?(why: {reason: "user" | "api" | "done"}): void,
 *   onEvent?(told: {name: string, at: number, data: any}): void, mode?: "auto" | "popup" | "redirect",
 *   returnUrl?: string, locale?: string, theme?: "auto" | "light" | "dark", apiBase?: string}} CheckoutOptions
 * @typedef {Promise<CheckoutResult | CheckoutFailure>} CheckoutEnd never rejects
 * @typedef {{open(): CheckoutEnd, close(): void, state: string,
 *   on(name: string, listener: (data: any) => void): () => void}} Checkout
 * @typedef {{new (options: CheckoutOptions): Checkout, version: string,
 *   resume(options: CheckoutOptions): CheckoutEnd | null}} CheckoutClass
 */
declare var PaymentGateway: CheckoutClass;
