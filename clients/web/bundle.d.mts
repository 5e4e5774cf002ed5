export declare const FOLDER: string;
export declare function files(): Promise<Map<string, Buffer>>;
